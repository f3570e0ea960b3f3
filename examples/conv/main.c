/* fml-conv: the guest. What it computes is classifier.h's. */
#include "classifier.h"

int main(void)
{
    static const struct fml_learner learner = {
        .name = "fml-conv",
        .rate = 0.001,
        .train = classifier_train,
        .evaluate = classifier_evaluate,
    };
    return fml_learner_main(&learner);
}
