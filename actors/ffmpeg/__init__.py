"""Everything that knows FFmpeg: its arguments, its process, its reports, its output."""
