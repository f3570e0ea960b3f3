/* fml-train: the guest that learns on a device. What it computes is trainer.h's. */
#include "trainer.h"

int main(void)
{
    static const struct fml_learner learner = {
        .name = "fml-train",
        .rate = 0.1,
        .train = trainer_train,
        .evaluate = trainer_evaluate,
    };
    return fml_learner_main(&learner);
}
