/* A folder for a web server: hard links to the files of versions, named by their digests in
 * hex. Whoever reads one checks its bytes, so nothing here has to survive a crash: it is made
 * anew as versions are published, and what deleted versions left goes at the next start. */
#ifndef MODEL_SERVER_BY_DIGEST_H
#define MODEL_SERVER_BY_DIGEST_H

#include <stdbool.h>

#include "base/digest.h"

#define BY_DIGEST_FOLDER "sha256" /* in the folder of the versions, on the same disk */

/* In place of what was there: at no moment is there nothing, since a device that finds nothing
 * does not look again.
 * folder: of the versions. path: the version's file
 * fails: ST_LIMIT (a path too long), ST_FULL, ST_IO; what was there is then still there */
MUST_CHECK enum status by_digest_add(const char *folder, const struct digest *d, const char *path);

bool by_digest_is_there(const char *folder, const struct digest *d);

/* Nothing there is fine. fails: ST_LIMIT, ST_IO */
MUST_CHECK enum status by_digest_remove(const char *folder, const struct digest *d);

#endif
