#ifndef SSUGRAPH_SSUGRAPH_H
#define SSUGRAPH_SSUGRAPH_H

/**
 * @file
 * The library for C, and for whatever calls C. What a call means is said beside its namesake in the
 * C++ headers; here is what C adds.
 *
 * Status. Every function but four returns one. No exception and no abort leaves a function, but
 * for the JSON of describe_json and of a tuning cache where the host's memory is used up. A call
 * that fails before anything ran sets its output handle to NULL and leaves other outputs alone.
 *
 * Handles are opaque, never reused and looked up in each call: NULL, a destroyed handle and one of
 * another kind are SSUGRAPH_STATUS_INVALID_ARGUMENT. What a handle needs lives as long as it does,
 * in any order of destruction. A destroyed object that another thread is still using ends with that
 * thread's call. Pipelines and dispatches may be shared between threads; a builder, lane or ring
 * that two threads use at a time is SSUGRAPH_STATUS_INVALID_STATE.
 *
 * Tensors are DLPack's (data, device, dtype with one lane, 1 to 4 axes, strides in elements or NULL
 * for a dense tensor, byte_offset). NULL in place of a tensor: not passed. Only memory is referred
 * to later; the descriptor may go when the call returns. The memory must be where `device` says:
 * kDLCPU or kDLCUDAHost for the host, kDLCUDA or kDLCUDAManaged for a GPU.
 *
 * Structs of options start with their size; zero is the default of every other field:
 *
 * @code{.c}
 * ssugraph_config config = {.struct_size = sizeof config, .backend = "native"};
 * @endcode
 *
 * A smaller struct, of an older header, has defaults for the rest. A larger one is taken if what we
 * do not know of it is zero. Structs grow in patch releases, too; before 1.0 only a minor version,
 * which the shared library's name has in it, may break this API. A NULL pointer to a struct called
 * `options` or `config` means all defaults (for ssugraph_selective_state_update: the process-wide
 * default).
 *
 * Strings are UTF-8 and end in a zero. Text goes out as snprintf writes it: at most `capacity`
 * bytes with the closing zero, and `*length` is what the whole text has without it. Arrays go out
 * likewise: at most `capacity` elements, and `*count` says how many there are. Either pointer may
 * be NULL, the buffer only where `capacity` is 0. What a call does, it does whatever `capacity` is.
 *
 * Streams come last and are CUDA's own type, without a CUDA header. NULL is the legacy default
 * stream, also in a program compiled with --default-stream per-thread. cudaStreamPerThread is
 * another stream on each thread: use an object on it from one thread only. A stream must live as
 * long as the lanes on it. Work on host tensors ignores streams; pass NULL there.
 *
 * Callbacks return: neither longjmp nor the end of the thread may leave one.
 */

#include <ssugraph/c/binding.h>
#include <ssugraph/c/buckets.h>
#include <ssugraph/c/builder.h>
#include <ssugraph/c/cache_layout.h>
#include <ssugraph/c/config.h>
#include <ssugraph/c/dispatch.h>
#include <ssugraph/c/export.h>
#include <ssugraph/c/lane.h>
#include <ssugraph/c/lane_stats.h>
#include <ssugraph/c/library.h>
#include <ssugraph/c/pipeline.h>
#include <ssugraph/c/random.h>
#include <ssugraph/c/reset_slots.h>
#include <ssugraph/c/rings.h>
#include <ssugraph/c/slot_states.h>
#include <ssugraph/c/ssu.h>
#include <ssugraph/c/ssu_call.h>
#include <ssugraph/c/staging.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/step.h>
#include <ssugraph/c/stream.h>
#include <ssugraph/c/tensors.h>
#include <ssugraph/c/toggle.h>
#include <ssugraph/version.hpp>

#endif
