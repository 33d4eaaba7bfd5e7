#ifndef SSUGRAPH_C_LIBRARY_H
#define SSUGRAPH_C_LIBRARY_H

/** @file
 *  The library as a whole: its version, whether there is a GPU, where its messages go. */

#include <ssugraph/c/export.h>
#include <ssugraph/c/status.h>
#include <ssugraph/version.hpp>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Major * 10000 + minor * 100 + patch of the library that runs. That of these headers is in
 *  SSUGRAPH_VERSION_MAJOR, SSUGRAPH_VERSION_MINOR and SSUGRAPH_VERSION_PATCH. */
SSUGRAPH_C_API int32_t ssugraph_version(void);

/** For example `0.2.0`. Static. */
SSUGRAPH_C_API const char* ssugraph_version_string(void);

/** 1 if this build has CUDA and a device is there, else 0. Begins the use of CUDA, so that no
 *  process forked later can use it: there this is 0. */
SSUGRAPH_C_API ssugraph_status ssugraph_has_cuda_device(int32_t* found);

/** Takes one line without its end, on any thread, one at a time. It may call the
 *  library: what that logs on this thread goes where it goes without a sink. It must not wait for
 *  another thread that may have a line to log. */
typedef void (*ssugraph_log_function)(void* user_data, const char* line);

/** Replaces where messages go; NULL, the default: warnings to stderr, and news (which backend runs,
 *  what was built) there, too, if the environment has `SSUGRAPH_LOG=info` when the first of it
 *  comes. When it returns, the one before runs no more, unless it made this call. */
SSUGRAPH_C_API ssugraph_status ssugraph_set_log_sink(ssugraph_log_function sink, void* user_data);

#ifdef __cplusplus
}
#endif

#endif
