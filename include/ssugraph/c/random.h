#ifndef SSUGRAPH_C_RANDOM_H
#define SSUGRAPH_C_RANDOM_H

/** @file
 *  Seeds of stochastic rounding, as torch draws them; C++: random.hpp. */

#include <ssugraph/c/export.h>
#include <ssugraph/c/status.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where a seed stream stands. Never grows. */
typedef struct ssugraph_random_state {
  uint64_t seed;      /**< as of `torch.manual_seed` */
  uint64_t next_draw; /**< so many were drawn */
} ssugraph_random_state;

/** Draw `n` of the seed stream of `seed`, an unsigned 32-bit value; C++: seed_draw. */
SSUGRAPH_C_API ssugraph_status ssugraph_seed_draw(uint64_t seed, uint64_t n, int64_t* draw);

#ifdef __cplusplus
}
#endif

#endif
