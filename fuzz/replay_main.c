/* replay_main.c - run a fuzzer's target on every file of the folders and files named, without a fuzzer.
 *
 * `make test` replays each committed corpus this way, so that an input which once broke something
 * is tried on every build. An empty or absent corpus still tries the empty input. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX ((size_t)16 * 1024 * 1024)

static int replay_file(const char *path)
{
    uint8_t *data;
    size_t size;
    FILE *f = fopen(path, "rb");

    if (f == NULL) {
        perror(path);
        return -1;
    }
    /* Exactly as large as the input, so that the sanitizer sees the first byte read past it. */
    data = malloc(INPUT_MAX);
    if (data == NULL)
        abort();
    size = fread(data, 1, INPUT_MAX, f);
    (void)fclose(f);
    data = realloc(data, size == 0 ? 1 : size);
    if (data == NULL)
        abort();
    printf("%s\n", path);
    (void)fflush(stdout); /* the last line names the input of a crash */
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int replay(const char *path, unsigned *count)
{
    char file[4096];
    struct dirent *entry;
    struct stat st;
    int result = 0;
    DIR *dir;

    if (stat(path, &st) != 0) {
        printf("%s: no corpus\n", path);
        return 0;
    }
    if (!S_ISDIR(st.st_mode)) {
        ++*count;
        return replay_file(path);
    }
    dir = opendir(path);
    if (dir == NULL) {
        perror(path);
        return -1;
    }
    while (result == 0 && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        ++*count;
        result = replay_file(file);
    }
    (void)closedir(dir);
    return result;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    uint8_t *nothing = calloc(1, 1);

    if (nothing == NULL)
        abort();
    (void)LLVMFuzzerTestOneInput(nothing, 0);
    free(nothing);
    for (int i = 1; i < argc; i++) {
        if (replay(argv[i], &count) != 0)
            return 1;
    }
    printf("%u inputs replayed\n", count);
    return 0;
}
