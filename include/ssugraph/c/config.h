#ifndef SSUGRAPH_C_CONFIG_H
#define SSUGRAPH_C_CONFIG_H

/** @file
 *  Which implementation of the SSU runs; C++: config.hpp. */

#include <stddef.h>
#include <stdint.h>

/** Which implementation runs, and how it stores the state; C++: mamba_config. */
typedef struct ssugraph_config {
  size_t struct_size;          /**< sizeof this struct */
  const char* backend;         /**< a backend's name; NULL: `native` */
  const char* algorithm;       /**< one of that backend's; NULL: `auto` */
  int32_t stochastic_rounding; /**< 0 or 1; an error for fp32 state */
  int32_t philox_rounds;       /**< 3..10; 0 means 10. Of 1 or 2 most elements round one way */
} ssugraph_config;

#endif
