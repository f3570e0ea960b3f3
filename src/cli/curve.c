#include "cli/curve.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "cli/process.h"
#include "io/file.h"

#define TICKS_MAX       20 /* rounds that each get a mark on the axis */
#define SCRIPT_SIZE_MAX ((size_t)64 << 20)

static enum status add(struct bytes *out, const char *format, ...) PRINTF_LIKE(2, 3);

static enum status add(struct bytes *out, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    if (size < 0)
        return ST_NOMEM;
    enum status status = bytes_append(out, view_of(text, (size_t)size), SCRIPT_SIZE_MAX);
    free(text);
    return status;
}

/* In gnuplot's single quotes only the quote itself is special, and is doubled. */
static enum status add_quoted(struct bytes *out, const char *text)
{
    enum status status = add(out, "'");
    for (; status == ST_OK && *text != '\0'; text++)
        status = *text == '\'' ? add(out, "''") : add(out, "%c", *text);
    return status == ST_OK ? add(out, "'") : status;
}

static size_t points(const struct curve *c)
{
    size_t found = 0;
    for (size_t i = 0; i < c->count; i++)
        if (!isnan(c->values[i]))
            found++;
    return found;
}

static enum status add_data(struct bytes *out, const struct curve *c, size_t index)
{
    enum status status = add(out, "$curve%zu << END\n", index);
    for (size_t i = 0; status == ST_OK && i < c->count; i++)
        if (!isnan(c->values[i]))
            status = add(out, "%zu %.6f\n", i + 1, c->values[i]);
    return status == ST_OK ? add(out, "END\n") : status;
}

static enum status add_plot(struct bytes *out, const struct curve *curves, size_t count)
{
    const char *before = "plot ";
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && i < count; i++) {
        if (points(&curves[i]) == 0)
            continue;
        status = add(out, "%s$curve%zu using 1:2 with linespoints title ", before, i);
        if (status == ST_OK)
            status = add_quoted(out, curves[i].label);
        before = ", ";
    }
    return status == ST_OK ? add(out, "\n") : status;
}

enum status curve_script(const struct curve *curves, size_t count, const char *png_path,
                         struct bytes *out)
{
    assert(count <= CURVES_MAX);
    size_t all = 0, longest = 0;
    for (size_t i = 0; i < count; i++)
        all += points(&curves[i]);
    if (all == 0)
        return ST_INVALID;
    enum status status = ST_OK;
    for (size_t i = 0; status == ST_OK && i < count; i++)
        if (points(&curves[i]) > 0)
            status = add_data(out, &curves[i], i);
    if (status == ST_OK)
        status = add(out, "set xlabel 'round'\nset ylabel 'test accuracy'\n"
                          "set key bottom right\nset xrange [0.5:*]\nset yrange [*:*]\n"
                          "set terminal dumb nofeed 78 20 noenhanced\n");
    for (size_t i = 0; i < count; i++)
        longest = curves[i].count > longest ? curves[i].count : longest;
    if (status == ST_OK && longest <= TICKS_MAX) /* no half rounds on the axis */
        status = add(out, "set xtics 1\n");
    if (status == ST_OK)
        status = add_plot(out, curves, count);
    if (status == ST_OK)
        status = add(out, "set grid\nset terminal pngcairo size 900,560 noenhanced\nset output ");
    if (status == ST_OK)
        status = add_quoted(out, png_path);
    if (status == ST_OK)
        status = add(out, "\nreplot\n");
    return status;
}

static enum status run_gnuplot(const char *script_path, struct why *why)
{
    const char *const argv[] = {"gnuplot", script_path, NULL};
    struct process_spec spec = {.argv = argv};
    pid_t pid;
    (void)fflush(stdout);
    enum status status = process_start(&spec, &pid, why);
    if (status == ST_NOT_FOUND)
        why_set(why, "gnuplot is not installed (Debian: gnuplot-nox)");
    if (status != ST_OK)
        return status;
    int wait_status = 0;
    while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    if (wait_status == 0)
        return ST_OK;
    char how[PROCESS_TEXT_SIZE];
    why_set(why, "gnuplot failed: %s", process_end_text(wait_status, how));
    return ST_IO;
}

enum status curve_draw(const struct curve *curves, size_t count, const char *folder,
                       struct why *why)
{
    char *script_path = NULL, *png_path = NULL;
    struct bytes script = {0};
    enum status status = ST_NOMEM;
    if (asprintf(&script_path, "%s/accuracy.gp", folder) < 0)
        script_path = NULL;
    if (asprintf(&png_path, "%s/accuracy.png", folder) < 0)
        png_path = NULL;
    if (script_path != NULL && png_path != NULL)
        status = curve_script(curves, count, png_path, &script);
    if (status == ST_INVALID)
        why_set(why, "there is no accuracy to draw");
    else if (status == ST_OK && (status = file_write(script_path, bytes_view(&script))) != ST_OK)
        why_set(why, "cannot write %.150s: %s", script_path, status_name(status));
    if (status == ST_OK)
        status = run_gnuplot(script_path, why);
    bytes_done(&script);
    free(script_path);
    free(png_path);
    return status;
}
