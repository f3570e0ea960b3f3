/* The form of a compiled module on disk: a line, then the runtime's code.
 *
 *     fml-code-1 {BLAKE2b-256 (RFC 7693) of all that follows this line, in hexadecimal}\n
 *
 * The runtime looks at no more than its own header before it runs what is behind
 * it, so a flipped bit would be executed. The digest finds damage, not malice:
 * who can write into the device agent's own folder can write the line as well. */
#ifndef SANDBOX_COMPILED_FILE_H
#define SANDBOX_COMPILED_FILE_H

#include <stdbool.h>

#include "base/bytes.h"

#define COMPILED_HEAD      "fml-code-1 "
#define COMPILED_HEAD_SIZE (sizeof COMPILED_HEAD - 1 + 64 + 1) /* with the line's end */

/* The line for this code; not ended by a zero byte. */
void compiled_file_head(struct view code, char ret_head[COMPILED_HEAD_SIZE]);

/* gives: true, and the code in *ret_code, borrowed from file; false: it is not
 *        what compiled_file_head() was made for */
bool compiled_file_code(struct view file, struct view *ret_code);

#endif
