/* fml: the tool. One word picks a command, each of which is a file cmd_*.c. */
#include <stddef.h>

#include "cli/commands.h"

static const struct command commands[] = {
    {"demo", "[options]", "ten devices train one model on MNIST, all on this machine", cmd_demo},
    {"simulate", "[options]", "a thousand virtual devices do the same, for research", cmd_simulate},
    {"train", "[options]", "an experiment of many rounds, shown as they end", cmd_train},
    {"experiments", "list|show|follow|cancel", "what runs and ran at the coordinator",
     cmd_experiments},
    {"round", "start|cancel", "one round, from a JSON file or from options", cmd_round},
    {"status", "[options]", "who is there, what runs, what there is", cmd_status},
    {"models", "list|get|init|...", "stored models, and initial ones", cmd_models},
    {"images", "push|list|sign", "Wasm images at the manager, signed by a publisher", cmd_images},
    {"fleet", "init|enroll|revoke|...", "who is who: keys, devices, revocations", cmd_fleet},
    {"data", "split", "labelled images for devices, skewed by label", cmd_data},
    {NULL, NULL, NULL, NULL},
};

static const char notes[] =
    "Commands that talk to the system know --broker URL (or MQTT_BROKER), --username,\n"
    "--domain and --channel. Exit status: 0 done, 1 failed, 2 wrong command line.";

int main(int argc, char **argv)
{
    return commands_run(commands, "fml", notes, argc, argv);
}
