#ifndef SSUGRAPH_C_DISPATCH_H
#define SSUGRAPH_C_DISPATCH_H

/** @file
 *  SSU calls one at a time, without a graph; C++: dispatch.hpp, backend.hpp. */

#include <ssugraph/c/config.h>
#include <ssugraph/c/export.h>
#include <ssugraph/c/random.h>
#include <ssugraph/c/ssu.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/stream.h>
#include <ssugraph/c/toggle.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** C++: ssu_dispatch. */
typedef struct ssugraph_dispatch ssugraph_dispatch;

/** How eager calls run; C++: eager_options. */
typedef struct ssugraph_eager_options {
  size_t struct_size;                    /**< sizeof this struct */
  int32_t checked;                       /**< an ssugraph_toggle: promises are verified before each
                                              call, which waits; default: as built */
  int32_t programmatic_dependent_launch; /**< 0 or 1: calls start under what is in front */
} ssugraph_eager_options;

/** Takes one backend's answer: `why_not` is empty if it serves the problem. */
typedef void (*ssugraph_backend_visitor)(void* user_data, const char* backend, const char* why_not);

/**
 * Enqueues one SSU by `config`. A config draws no seeds: with stochastic rounding,
 * `args->rand_seed` is needed. NULL: ssugraph_dispatch_selective_state_update of the process-wide
 * default, which may draw a seed; INVALID_STATE without a default, and where it would draw in a
 * capture. INVALID_ARGUMENT, UNSUPPORTED, INVALID_STATE before anything ran; CUDA_ERROR.
 * Stream-ordered; capture-safe unless checked.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_selective_state_update(const ssugraph_config* config,
                                                               const ssugraph_ssu_args* args,
                                                               ssugraph_stream stream);

/** Makes `config` the process-wide default. INVALID_ARGUMENT and UNSUPPORTED as for a dispatch. */
SSUGRAPH_C_API ssugraph_status ssugraph_initialize_mamba_ssu_backend(const ssugraph_config* config,
                                                                     uint64_t seed);

/** The same with options; NULL: all defaults. */
SSUGRAPH_C_API ssugraph_status ssugraph_initialize_mamba_ssu_backend_with(
    const ssugraph_config* config, uint64_t seed, const ssugraph_eager_options* options);

/** A handle to the process-wide default. INVALID_STATE before it was initialised. */
SSUGRAPH_C_API ssugraph_status ssugraph_get_mamba_ssu_backend(ssugraph_dispatch** dispatch);

/** Shows `visitor` what every backend says to the problem; `config->backend` plays no part. Reads
 *  no tensor. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status ssugraph_backends_for(const ssugraph_config* config,
                                                     const ssugraph_ssu_args* args,
                                                     ssugraph_backend_visitor visitor,
                                                     void* user_data);

/** A config bound to its backend, with a random state of its own. INVALID_ARGUMENT (no such
 *  backend, rounds other than 0 and 3..10), UNSUPPORTED (not in this build). */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_create(const ssugraph_config* config,
                                                        uint64_t seed,
                                                        ssugraph_dispatch** dispatch);

/** The same with options; NULL: all defaults. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_create_with(const ssugraph_config* config,
                                                             uint64_t seed,
                                                             const ssugraph_eager_options* options,
                                                             ssugraph_dispatch** dispatch);

/** Ends the handle; a process-wide default stays that. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_destroy(ssugraph_dispatch* dispatch);

/** The plan in words. Runs nothing, reads no tensor. INVALID_ARGUMENT, UNSUPPORTED. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_plan(const ssugraph_dispatch* dispatch,
                                                      const ssugraph_ssu_args* args, char* text,
                                                      size_t capacity, size_t* length);

/** Enqueues one SSU; draws a seed where it rounds and `args->rand_seed` is NULL, which is
 *  INVALID_STATE in a capture. Else as ssugraph_selective_state_update. With `checked`, waits for
 *  the stream; a broken promise is INVALID_ARGUMENT, a capture INVALID_STATE. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_selective_state_update(
    ssugraph_dispatch* dispatch, const ssugraph_ssu_args* args, ssugraph_stream stream);

/** Seed stream of the calls that pass no `rand_seed`; counts draws already enqueued. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_random_state(const ssugraph_dispatch* dispatch,
                                                              ssugraph_random_state* state);

/** For calls to come. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_set_random_state(ssugraph_dispatch* dispatch,
                                                                  ssugraph_random_state state);

#ifdef __cplusplus
}
#endif

#endif
