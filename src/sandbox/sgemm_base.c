#define KERNEL sgemm_kernel_base
#define LANES  4
#include "sandbox/sgemm_kernel.h"
