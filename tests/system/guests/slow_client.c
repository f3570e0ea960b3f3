/* A client that takes hyperparams.seconds, then returns {"w":[1,1,1],"b":1}
 * trained on 10 samples: time for a test to do something in the middle of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    const char *round_id = getenv("ROUND_ID");
    const char *model_uri = getenv("MODEL_URI");
    const char *hyperparams = getenv("HYPERPARAMS");
    const char *seconds = hyperparams == NULL ? NULL : strstr(hyperparams, "\"seconds\":");
    if (round_id == NULL || model_uri == NULL)
        return 1;
    if (seconds != NULL)
        (void)sleep((unsigned)atoi(seconds + strlen("\"seconds\":")));
    printf("{\"round_id\":\"%s\",\"base_model_uri\":\"%s\",\"num_samples\":10,"
           "\"metrics\":{\"loss\":0.5},\"update\":{\"w\":[1,1,1],\"b\":1}}\n",
           round_id, model_uri);
    return 0;
}
