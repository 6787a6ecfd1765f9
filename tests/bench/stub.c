/* Stands in for FFmpeg where the encoder's own time would drown what is measured: says when it began, and is done.
 *
 * -version                    answers as the daemon asks for it
 * … -metadata stamp=FILE … O  appends CLOCK_MONOTONIC (ns, 20 digits and a newline) to FILE, writes O, says
 *                             "progress=end" where -progress wants it, leaves 0
 * anything else               has no output, as in a probe: leaves 1
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int put(const char *path, int how, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0644);
    size_t size = strlen(text);
    return file >= 0 && write(file, text, size) == (ssize_t)size && close(file) == 0;
}

int main(int argc, char **argv)
{
    struct timespec began;
    const char *stamp = NULL, *progress = NULL;
    char line[32];

    clock_gettime(CLOCK_MONOTONIC, &began);
    if (argc == 2 && strcmp(argv[1], "-version") == 0)
        return puts("ffmpeg version 9.0-stub") < 0;
    for (int word = 1; word + 1 < argc; word++) {
        if (strncmp(argv[word], "stamp=", 6) == 0)
            stamp = argv[word] + 6;
        else if (strcmp(argv[word], "-progress") == 0 && strncmp(argv[word + 1], "file:", 5) == 0)
            progress = argv[word + 1] + 5;
    }
    if (stamp == NULL)
        return 1;
    snprintf(line, sizeof line, "%020lld\n", began.tv_sec * 1000000000LL + began.tv_nsec);
    return !(put(stamp, O_APPEND, line) && put(argv[argc - 1], O_TRUNC, "stub\n")
             && (progress == NULL || put(progress, O_APPEND, "progress=end\n")));
}
