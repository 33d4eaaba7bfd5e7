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
 *     ssugraph_config config = {.struct_size = sizeof config, .backend = "native"};
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

#if defined(__has_include)
#if !__has_include(<dlpack/dlpack.h>)
#error "ssugraph.h needs dlpack/dlpack.h: libdlpack-dev of Debian and Ubuntu, or -I with its folder"
#endif
#endif

#include <ssugraph/version.hpp>

#include <dlpack/dlpack.h>
#include <stddef.h>
#include <stdint.h>

/** On every function that the library defines. */
#if defined(__GNUC__)
#define SSUGRAPH_C_API __attribute__((visibility("default")))
#else
#define SSUGRAPH_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUstream_st* ssugraph_stream;        /**< the same type as cudaStream_t */
typedef struct CUgraph_st* ssugraph_graph;          /**< the same type as cudaGraph_t */
typedef struct CUgraphNode_st* ssugraph_graph_node; /**< the same type as cudaGraphNode_t */

typedef struct ssugraph_dispatch ssugraph_dispatch;         /**< C++: ssu_dispatch */
typedef struct ssugraph_builder ssugraph_builder;           /**< C++: pipeline_builder */
typedef struct ssugraph_pipeline ssugraph_pipeline;         /**< C++: pipeline */
typedef struct ssugraph_lane ssugraph_lane;                 /**< C++: lane */
typedef struct ssugraph_staging_ring ssugraph_staging_ring; /**< C++: staging_ring */

/** How a call ended. Values are contract, texts are not. */
typedef enum ssugraph_status {
  SSUGRAPH_STATUS_SUCCESS = 0,          /**< it did what it says */
  SSUGRAPH_STATUS_INVALID_ARGUMENT = 1, /**< which, what was expected, what came; nothing ran */
  SSUGRAPH_STATUS_UNSUPPORTED = 2,      /**< each backend with its reason; nothing ran */
  SSUGRAPH_STATUS_INVALID_STATE = 3,    /**< which object, its state, what fixes it; nothing ran */
  SSUGRAPH_STATUS_CUDA_ERROR = 4,       /**< the CUDA call; step and bucket if there are any */
  SSUGRAPH_STATUS_OUT_OF_MEMORY = 5,    /**< of the host or of a device */
  SSUGRAPH_STATUS_CALLBACK_FAILED = 6,  /**< a custom step's: its step, bucket and value */
  SSUGRAPH_STATUS_INTERNAL = 7          /**< a fault of the library, or of a backend's code */
} ssugraph_status;

/** For fields that are on, off, or as the library would have it. */
typedef enum ssugraph_toggle {
  SSUGRAPH_TOGGLE_DEFAULT = 0, /**< as the library would have it */
  SSUGRAPH_TOGGLE_ON = 1,      /**< on */
  SSUGRAPH_TOGGLE_OFF = 2      /**< off */
} ssugraph_toggle;

/** Where a pipeline runs; C++: target. */
typedef enum ssugraph_target {
  SSUGRAPH_TARGET_CUDA = 0, /**< on a GPU, as graphs */
  SSUGRAPH_TARGET_HOST = 1  /**< on the CPU, before a replay returns */
} ssugraph_target;

/** What a rebind did to the graph of one bucket; C++: rebind_outcome. */
typedef enum ssugraph_rebind_outcome {
  SSUGRAPH_REBIND_UPDATED = 0,      /**< the executable took the new addresses */
  SSUGRAPH_REBIND_INSTANTIATED = 1, /**< recorded and instantiated anew: the update was refused */
  SSUGRAPH_REBIND_UNRECORDED = 2    /**< there is none: its first use or a rebuild records it */
} ssugraph_rebind_outcome;

/** Which implementation runs, and how it stores 16-bit state; C++: mamba_config. */
typedef struct ssugraph_config {
  size_t struct_size;          /**< sizeof this struct */
  const char* backend;         /**< a backend's name; NULL: `native` */
  const char* algorithm;       /**< one of that backend's; NULL: `auto` */
  int32_t stochastic_rounding; /**< 0 or 1; an error for fp32 state */
  int32_t philox_rounds;       /**< 1..10; 0 means 10 */
} ssugraph_config;

/**
 * The tensors and scalars of one SSU call; C++: ssu_args. `rows` are tokens. Each tensor may omit
 * its nheads or ngroups axis (extent 1). state, x, dt, A, B, C and out are needed. `state` and
 * `out` are written: no two of their elements may lie in one place, and neither may overlap another
 * tensor.
 */
typedef struct ssugraph_ssu_args {
  size_t struct_size; /**< sizeof this struct */
  /** The slot that is nobody's: a sequence that reads it has zero rows of `out` and no state, and
   *  one that would write it does not. 0 by default, so slot 0 is nobody's then; -1: every slot is
   *  somebody's. Plays no part without indices. */
  int64_t null_block_id;
  int64_t max_seqlen;      /**< T of varlen mode: no sequence is longer. 0: the number of rows */
  int32_t dt_softplus;     /**< 0 or 1 */
  int32_t reserved;        /**< 0 */
  const DLTensor* state;   /**< (slots, nheads, dim, dstate), fp32, fp16 or bf16 */
  const DLTensor* x;       /**< (rows, nheads, dim), fp32, fp16 or bf16 */
  const DLTensor* dt;      /**< (rows, nheads, dim), fp32, fp16 or bf16 */
  const DLTensor* A;       /**< (nheads, dim, dstate), fp32, fp16 or bf16 */
  const DLTensor* B;       /**< (rows, ngroups, dstate), dtype of x */
  const DLTensor* C;       /**< (rows, ngroups, dstate), dtype of x */
  const DLTensor* D;       /**< (nheads, dim), fp32, fp16 or bf16 */
  const DLTensor* z;       /**< (rows, nheads, dim), dtype of x */
  const DLTensor* dt_bias; /**< (nheads, dim), fp32, fp16 or bf16 */
  const DLTensor* out;     /**< (rows, nheads, dim), dtype of x */
  /** (n) or (n, T), int32 or int64: slots read. Without it, sequence i has slot i. */
  const DLTensor* state_batch_indices;
  /** The same shape, int32 or int64: slots written. Without it, those read. */
  const DLTensor* dst_state_batch_indices;
  /** (n), int32 or int64. With it the mode is speculative, which wants indices of shape (n, T). */
  const DLTensor* num_accepted_tokens;
  /** (n + 1), int32 or int64: sequence i has rows cu[i] to cu[i + 1], in varlen mode or
   *  speculative. */
  const DLTensor* cu_seqlens;
  const DLTensor* rand_seed; /**< (1), int64: seed of the stochastic rounding */
} ssugraph_ssu_args;

/** Where a seed stream stands. Never grows. */
typedef struct ssugraph_random_state {
  uint64_t seed;      /**< as of `torch.manual_seed` */
  uint64_t next_draw; /**< so many were drawn */
} ssugraph_random_state;

/** Another address for one bound tensor of a step; its layout stays. Never grows. */
typedef struct ssugraph_binding {
  const char* step;   /**< its name in the builder */
  const char* tensor; /**< the name of one that the step binds, as `state` */
  const void* data;   /**< of the first element */
} ssugraph_binding;

/** Memory that a custom step writes. Never grows. */
typedef struct ssugraph_byte_range {
  const void* data; /**< where it starts */
  size_t bytes;     /**< its length */
} ssugraph_byte_range;

/** What one replay of a bucket takes. Never grows. */
typedef struct ssugraph_bucket_time {
  int32_t bucket;      /**< sequences */
  double microseconds; /**< the median of the rounds */
} ssugraph_bucket_time;

/** C++: ssu_options. */
typedef struct ssugraph_ssu_options {
  size_t struct_size;   /**< sizeof this struct */
  int32_t shares_state; /**< 0 or 1: reads and writes the state of an earlier step */
  int32_t reserved;     /**< 0 */
} ssugraph_ssu_options;

/** C++: step_options. */
typedef struct ssugraph_step_options {
  size_t struct_size;                /**< sizeof this struct */
  int64_t seeds;                     /**< that each replay draws for it */
  size_t scratch_bytes;              /**< that the largest bucket needs */
  const ssugraph_byte_range* writes; /**< NULL: not declared; else all that the step writes */
  size_t write_count;                /**< elements of `writes` */
  /**
   * 0 or 1: a promise that the step's last kernel calls cudaTriggerProgrammaticLaunchCompletion
   * before it ends, and that a kernel of the step that is itself launched programmatically does so
   * in no block before its cudaGridDependencySynchronize. Needs `writes`. Without the promise, a
   * step with a kernel launched programmatically gives no programmatic edge.
   */
  int32_t triggers_early;
  int32_t warm_up; /**< 0 or 1: one call before a CUDA lane's first recording, not captured */
} ssugraph_step_options;

/** C++: tuning_options. */
typedef struct ssugraph_tuning_options {
  size_t struct_size;      /**< sizeof this struct */
  const char* cache_file;  /**< NULL: none */
  double scratch_fraction; /**< of the free device memory; 0 means 0.25 */
  int32_t measure;         /**< an ssugraph_toggle: backend `automatic` measures; default: on */
  int32_t batch_invariant; /**< 0 or 1: one plan for all buckets of a problem */
} ssugraph_tuning_options;

/** C++: recording_options. */
typedef struct ssugraph_recording_options {
  size_t struct_size;     /**< sizeof this struct */
  size_t max_graphs;      /**< of a lane; 0: any number */
  size_t max_bytes;       /**< of device memory for a lane; 0: any */
  int32_t lazy;           /**< 0 or 1: a bucket is recorded by its first use */
  int32_t strict_capture; /**< 0 or 1: use of the legacy stream in a custom step is an error */
  int32_t checked;        /**< an ssugraph_toggle: promises are verified; default: as built */
  int32_t reserved;       /**< 0 */
} ssugraph_recording_options;

/** What a lane did so far; C++: lane_stats. Filled up to its struct_size, which the caller sets. */
typedef struct ssugraph_lane_stats {
  size_t struct_size;        /**< sizeof this struct, set by the caller */
  uint64_t replays;          /**< by ssugraph_lane_replay */
  uint64_t padded_sequences; /**< sum over them of bucket - batch */
  uint64_t moved_bytes;      /**< that their SSU steps must at least read and write */
  uint64_t lazy_builds;      /**< buckets that a first use recorded */
  uint64_t retries;          /**< recordings of a step repeated, for a capture was spoiled */
  uint64_t own_bytes;        /**< the lane's device memory, bytes: copies, seeds, scratch */
  uint64_t bucket_count;     /**< how many ssugraph_lane_get_bucket_stats tells of */
} ssugraph_lane_stats;

/** One bucket of a lane; C++: bucket_stats. Filled up to its struct_size, which the caller sets. */
typedef struct ssugraph_bucket_stats {
  size_t struct_size;       /**< sizeof this struct, set by the caller */
  uint64_t replays;         /**< by ssugraph_lane_replay */
  uint64_t moved_bytes;     /**< that their SSU steps must at least read and write */
  uint64_t nodes;           /**< of its graph */
  uint64_t estimated_bytes; /**< fall of the device's free bytes while it was built */
  double build_ms;          /**< milliseconds of recording, instantiation and upload */
  int32_t bucket;           /**< sequences */
  int32_t recorded;         /**< 0 or 1: there is an executable graph */
} ssugraph_bucket_stats;

/**
 * What a custom step works on in one bucket; C++: step_context. It and the tensors' descriptors are
 * valid during the call. Counts, seeds, scratch and the tensors' data are at device addresses (host
 * ones in a host pipeline), in memory of the lane that stays and that the prologue of each replay
 * writes. Tensors that the user does not bind are NULL.
 */
typedef struct ssugraph_step_context {
  size_t struct_size;            /**< as the library knows it: look before you read a newer field */
  const int32_t* live_sequences; /**< one int32: the batch of the replay */
  const int32_t* live_rows;      /**< one int32: tokens of that batch */
  /** The padded copy that the next SSU step takes (behind the last one: the last one), cut to the
   *  bucket: (bucket) or (bucket, T). 0, 1, ... where the user binds none. */
  const DLTensor* state_batch_indices;
  const DLTensor* dst_state_batch_indices; /**< as state_batch_indices */
  const DLTensor* num_accepted_tokens;     /**< (bucket), padded with 1 */
  const DLTensor* cu_seqlens;              /**< (bucket + 1), padded with empty sequences */
  const int64_t* seeds;                    /**< seed_count draws of the replay */
  size_t seed_count;                       /**< `seeds` of the step's options */
  void* scratch;         /**< aligned to 256 bytes; holds anything when the step starts */
  size_t scratch_bytes;  /**< of the step's options */
  int64_t null_block_id; /**< what the indices are padded with; -1 where the user binds none */
  int64_t rows;          /**< tokens that the bucket serves: bucket * T */
  int32_t bucket;        /**< sequences that it serves */
  int32_t reserved;      /**< 0 */
} ssugraph_step_context;

/**
 * Enqueues a custom step on `stream`; C++: step_function. 0, or any other value for a failure: the
 * call that records (on the host: that replays) returns SSUGRAPH_STATUS_CALLBACK_FAILED then.
 *
 * A CUDA replay never calls it. It is called once a bucket and recording (again after a rebind, and
 * up to three times more where a capture was spoiled), once an ssugraph_lane_run_eager, and once
 * before the first recording with `warm_up`; it must enqueue the same each time. While it is
 * recorded, `stream` is being captured: no synchronisation, no allocation, no copy from or to
 * pageable memory; other streams may be forked off and must be joined. A host pipeline calls it in
 * every replay, and there it does the work before it returns.
 *
 * It must not call functions of the pipeline or lane that is being recorded.
 */
typedef int (*ssugraph_step_function)(void* user_data, const ssugraph_step_context* context,
                                      ssugraph_stream stream);
/** cudaPeekAtLastError or cudaGetLastError, whose cudaError_t is an int. */
typedef int (*ssugraph_last_error_function)(void);
/** Called once, on any thread, when nothing can call a step function with `user_data` any more and
 *  the last replay of its lanes is over. Where that is still to run as the last handle goes, by the
 *  first later call that builds a pipeline, makes, rebinds, rebuilds or destroys a lane, or reads a
 *  random state.
 *  Must not fail: what it throws is dropped. */
typedef void (*ssugraph_destroy_function)(void* user_data);
/** Takes one line without its end, on any thread, one at a time. It may call functions of this
 *  header: what they log on this thread goes to stderr. It must not wait for another thread that
 *  may have a line to log. */
typedef void (*ssugraph_log_function)(void* user_data, const char* line);
/** Takes one backend's answer: `why_not` is empty if it serves the problem. */
typedef void (*ssugraph_backend_visitor)(void* user_data, const char* backend, const char* why_not);

/* The library ---------------------------------------------------------------------------------- */

/** Major * 10000 + minor * 100 + patch of the library that runs. That of this header is in
 *  SSUGRAPH_VERSION_MAJOR, SSUGRAPH_VERSION_MINOR and SSUGRAPH_VERSION_PATCH. */
SSUGRAPH_C_API int32_t ssugraph_version(void);
/** For example `0.2.0`. Static. */
SSUGRAPH_C_API const char* ssugraph_version_string(void);
/** The status in words, `invalid argument`; `unknown status` for any other number. Static. */
SSUGRAPH_C_API const char* ssugraph_status_string(int32_t status);
/** The full text of this thread's last call that failed, or "". Valid until its next one fails or
 *  the thread ends; "" from then on, in the destructors of static objects. */
SSUGRAPH_C_API const char* ssugraph_last_error(void);

/** 1 if this build has CUDA and a device is there, else 0. Begins the use of CUDA, so that no
 *  process forked later can use it: there this is 0. */
SSUGRAPH_C_API ssugraph_status ssugraph_has_cuda_device(int32_t* found);
/** Replaces where messages go; NULL: stderr. When it returns, the one before runs no more, unless
 *  it made this call. */
SSUGRAPH_C_API ssugraph_status ssugraph_set_log_sink(ssugraph_log_function sink, void* user_data);
/** Draw `n` of the seed stream of `seed`, an unsigned 32-bit value; C++: seed_draw. */
SSUGRAPH_C_API ssugraph_status ssugraph_seed_draw(uint64_t seed, uint64_t n, int64_t* draw);

/** 1, 2, 4, ... and `max_batch`. INVALID_ARGUMENT unless 1 <= max_batch <= 2^20. */
SSUGRAPH_C_API ssugraph_status ssugraph_buckets_powers_of_two(int32_t max_batch, int32_t* buckets,
                                                              size_t capacity, size_t* count);
/** 1, 2, 4, then 8 to 128 by 8, then by 64, and `max_batch`. As above. */
SSUGRAPH_C_API ssugraph_status ssugraph_buckets_serving(int32_t max_batch, int32_t* buckets,
                                                        size_t capacity, size_t* count);
/**
 * The at most `max_graphs` buckets under which replays like those seen take least time; C++:
 * suggest_buckets. `histogram`: what ssugraph_lane_batch_histogram gave, `batch_count` entries.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_suggest_buckets(const uint64_t* histogram,
                                                        size_t batch_count, size_t max_graphs,
                                                        const ssugraph_bucket_time* times,
                                                        size_t time_count, int32_t* buckets,
                                                        size_t capacity, size_t* count);

/* One SSU, without a graph --------------------------------------------------------------------- */

/**
 * Enqueues one SSU by `config`. A config draws no seeds: with stochastic rounding,
 * `args->rand_seed` is needed. NULL: ssugraph_dispatch_selective_state_update of the process-wide
 * default, which may draw a seed; INVALID_STATE without a default, and where it would draw in a
 * capture. INVALID_ARGUMENT, UNSUPPORTED, INVALID_STATE before anything ran; CUDA_ERROR.
 * Stream-ordered; capture-safe.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_selective_state_update(const ssugraph_config* config,
                                                               const ssugraph_ssu_args* args,
                                                               ssugraph_stream stream);
/** Makes `config` the process-wide default. INVALID_ARGUMENT and UNSUPPORTED as for a dispatch. */
SSUGRAPH_C_API ssugraph_status ssugraph_initialize_mamba_ssu_backend(const ssugraph_config* config,
                                                                     uint64_t seed);
/** A handle to the process-wide default. INVALID_STATE before it was initialised. */
SSUGRAPH_C_API ssugraph_status ssugraph_get_mamba_ssu_backend(ssugraph_dispatch** dispatch);

/** Shows `visitor` what every backend says to the problem; `config->backend` plays no part. Reads
 *  no tensor. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status ssugraph_backends_for(const ssugraph_config* config,
                                                     const ssugraph_ssu_args* args,
                                                     ssugraph_backend_visitor visitor,
                                                     void* user_data);

/** A config bound to its backend, with a random state of its own. INVALID_ARGUMENT (no such
 *  backend, rounds outside 0..10), UNSUPPORTED (not in this build). */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_create(const ssugraph_config* config,
                                                        uint64_t seed,
                                                        ssugraph_dispatch** dispatch);
/** Ends the handle; a process-wide default stays that. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_destroy(ssugraph_dispatch* dispatch);
/** The plan in words. Runs nothing, reads no tensor. INVALID_ARGUMENT, UNSUPPORTED. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_plan(const ssugraph_dispatch* dispatch,
                                                      const ssugraph_ssu_args* args, char* text,
                                                      size_t capacity, size_t* length);
/** Enqueues one SSU; draws a seed where it rounds and `args->rand_seed` is NULL, which is
 *  INVALID_STATE in a capture. Else as ssugraph_selective_state_update. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_selective_state_update(
    ssugraph_dispatch* dispatch, const ssugraph_ssu_args* args, ssugraph_stream stream);
/** Seed stream of the calls that pass no `rand_seed`; counts draws already enqueued. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_random_state(const ssugraph_dispatch* dispatch,
                                                              ssugraph_random_state* state);
/** For calls to come. */
SSUGRAPH_C_API ssugraph_status ssugraph_dispatch_set_random_state(ssugraph_dispatch* dispatch,
                                                                  ssugraph_random_state state);

/**
 * Zeroes slots of the states of all layers; C++: reset_slots. `states`: (slots, nheads, dim,
 * dstate) or (slots, dim, dstate) each, fp32, fp16 or bf16; shapes may differ. `slots`: (n), int32
 * or int64, where the states are; one outside a state is skipped. INVALID_ARGUMENT before anything
 * ran; CUDA_ERROR. Stream-ordered, capture-safe, no device allocation. On the host: done when it
 * returns.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_reset_slots(const DLTensor* const* states,
                                                    size_t state_count, const DLTensor* slots,
                                                    ssugraph_stream stream);

/* Builder -------------------------------------------------------------------------------------- */

/**
 * `buckets`: sequences, each 1..2^20, in any order, none twice. `target`: SSUGRAPH_TARGET_CUDA or
 * _HOST, which resolves every step to the CPU. INVALID_ARGUMENT; UNSUPPORTED without a GPU for
 * SSUGRAPH_TARGET_CUDA.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_create(const ssugraph_config* config,
                                                       const int32_t* buckets, size_t bucket_count,
                                                       int32_t target, ssugraph_builder** builder);
/** Ends the handle; what it built goes on. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_destroy(ssugraph_builder* builder);
/**
 * Appends one SSU layer. Its tensors hold the largest bucket: max_batch * T rows, max_batch
 * sequences. `rand_seed` is NULL, for seeds come from the lane; varlen needs `max_seqlen`. All
 * layers share one mode and one T. INVALID_ARGUMENT or UNSUPPORTED leave the builder as it was.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_ssu(ssugraph_builder* builder, const char* name,
                                                    const ssugraph_ssu_args* args,
                                                    const ssugraph_ssu_options* options);
/** Appends a custom step. `destroy` may be NULL; it is called only if this call succeeds.
 *  INVALID_ARGUMENT leaves the builder as it was. */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_step(ssugraph_builder* builder, const char* name,
                                                     ssugraph_step_function function,
                                                     void* user_data,
                                                     ssugraph_destroy_function destroy,
                                                     const ssugraph_step_options* options);
/**
 * The CUDA runtime that step functions use: its cudaPeekAtLastError and cudaGetLastError. With them
 * a recording that fails leaves no last error there that was not there before; without, as by
 * default and with both NULL, it leaves what the function's own calls met. INVALID_ARGUMENT if one
 * alone is NULL.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_last_error(ssugraph_builder* builder,
                                                           ssugraph_last_error_function peek,
                                                           ssugraph_last_error_function get);
/** Whether library kernels overlap where they can: 0 or 1, and 1 by default. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status
ssugraph_builder_programmatic_dependent_launch(ssugraph_builder* builder, int32_t enabled);
/** How plans are chosen. INVALID_ARGUMENT unless scratch_fraction is in (0, 1], or 0 for its
 *  default; also for flags and a cache_file that is not UTF-8. */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_tuning(ssugraph_builder* builder,
                                                       const ssugraph_tuning_options* options);
/** How all lanes of what is built record their graphs. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status
ssugraph_builder_recording(ssugraph_builder* builder, const ssugraph_recording_options* options);
/** Resolves every step for every bucket. INVALID_STATE without an SSU step, INVALID_ARGUMENT for
 *  more buckets than `max_graphs`, CUDA_ERROR. The builder may build again. */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_build(ssugraph_builder* builder,
                                                      ssugraph_pipeline** pipeline);

/* Pipeline ------------------------------------------------------------------------------------- */

/** Ends the handle; lanes that it made go on. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_destroy(ssugraph_pipeline* pipeline);
/** Records one graph a bucket for `stream`; C++: pipeline::make_lane, with all that it throws.
 *  Allocates; nothing runs on bound tensors but custom steps' warm-up. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_make_lane(const ssugraph_pipeline* pipeline,
                                                           const ssugraph_binding* bindings,
                                                           size_t binding_count,
                                                           ssugraph_stream stream,
                                                           ssugraph_lane** lane);
/** SSU layers and custom steps. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_step_count(const ssugraph_pipeline* pipeline,
                                                            size_t* count);
/** The place of the step called `name`. INVALID_ARGUMENT if there is none. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_step_index(const ssugraph_pipeline* pipeline,
                                                            const char* name, size_t* index);
/** Ascending. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_buckets(const ssugraph_pipeline* pipeline,
                                                         int32_t* buckets, size_t capacity,
                                                         size_t* count);
/** An ssugraph_target. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_target(const ssugraph_pipeline* pipeline,
                                                        int32_t* target);
/** How many seeds one replay draws. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_seeds_per_replay(const ssugraph_pipeline* pipeline,
                                                                  int64_t* seeds);
/** The plan of SSU step `step` in bucket number `bucket_index`, in words. INVALID_ARGUMENT out of
 *  range and for a custom step. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_plan(const ssugraph_pipeline* pipeline,
                                                      size_t step, size_t bucket_index, char* text,
                                                      size_t capacity, size_t* length);
/** What was measured for that plan, a line a candidate; empty if nothing was. INVALID_ARGUMENT as
 *  ssugraph_pipeline_plan. C++: to_table. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_timings(const ssugraph_pipeline* pipeline,
                                                         size_t step, size_t bucket_index,
                                                         char* text, size_t capacity,
                                                         size_t* length);
/** A line a step and bucket. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_describe(const ssugraph_pipeline* pipeline,
                                                          char* text, size_t capacity,
                                                          size_t* length);
/** Config, buckets, steps and their plans as JSON; ssugraph_lane_describe_json has the graphs. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_describe_json(const ssugraph_pipeline* pipeline,
                                                               char* text, size_t capacity,
                                                               size_t* length);

/* Lane ----------------------------------------------------------------------------------------- */

/** Frees the lane's memory after its last replay, without waiting; C++: ~lane. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_destroy(ssugraph_lane* lane);
/**
 * Launches the smallest bucket that holds `batch` live sequences; 0 does nothing. Stream-ordered;
 * at most one node update and one graph launch. Not while the stream is captured: see
 * ssugraph_lane_record. INVALID_ARGUMENT (the batch; a broken promise in checked mode) and
 * INVALID_STATE (another stream, or it is being captured; another thread; a bucket lost to a failed
 * rebind) before anything was enqueued; CUDA_ERROR. Host target: runs before it returns, and custom
 * steps may fail.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_replay(ssugraph_lane* lane, int32_t batch,
                                                    ssugraph_stream stream);
/** The oracle of ssugraph_lane_replay: the same launches without a graph. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_run_eager(ssugraph_lane* lane, int32_t batch,
                                                       ssugraph_stream stream);
/** Records the prologue of `bucket` into the caller's capture of `stream`. `live`: a device int32,
 *  the batch whenever that graph runs. C++: lane::record_prologue, with all that it throws. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_record_prologue(ssugraph_lane* lane, int32_t bucket,
                                                             const int32_t* live,
                                                             ssugraph_stream stream);
/** Records step `step` where the capture of `stream` stands; C++: lane::record_step. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_record_step(ssugraph_lane* lane, size_t step,
                                                         ssugraph_stream stream);
/** The prologue and every step in order. Where it fails, a part may be recorded: end the capture
 * and drop its graph. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_record(ssugraph_lane* lane, int32_t bucket,
                                                    const int32_t* live, ssugraph_stream stream);
/** Adds the whole graph of `bucket` to `graph` as one child graph node behind `predecessors`. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_add_child_graph(
    ssugraph_lane* lane, ssugraph_graph graph, const ssugraph_graph_node* predecessors,
    size_t predecessor_count, int32_t bucket, const int32_t* live, ssugraph_graph_node* node);
/** Gives bound tensors other addresses for replays to come, whatever `capacity` is; C++:
 *  lane::rebind. `outcomes`: an ssugraph_rebind_outcome for each bucket of
 *  ssugraph_pipeline_buckets, whose number `*count` is. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_rebind(ssugraph_lane* lane,
                                                    const ssugraph_binding* bindings,
                                                    size_t binding_count, int32_t* outcomes,
                                                    size_t capacity, size_t* count);
/** Records the bucket of `batch` again. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_rebuild(ssugraph_lane* lane, int32_t batch);
/** Waits for the stream, then reads the random state. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_random_state(ssugraph_lane* lane,
                                                          ssugraph_random_state* state);
/** For replays enqueued later, in stream order. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_set_random_state(ssugraph_lane* lane,
                                                              ssugraph_random_state state,
                                                              ssugraph_stream stream);
/** Hands the lane to another stream of its device, which waits for what is in flight here. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_move_to(ssugraph_lane* lane, ssugraph_stream stream);
/** The one that the lane belongs to. INVALID_STATE (another thread is inside). */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_stream(const ssugraph_lane* lane,
                                                    ssugraph_stream* stream);
/** What all buckets did. INVALID_ARGUMENT: a struct_size that no struct has; INVALID_STATE (another
 *  thread is inside). */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_get_stats(const ssugraph_lane* lane,
                                                       ssugraph_lane_stats* stats);
/** Of bucket number `bucket_index`, ascending. INVALID_ARGUMENT out of range. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_get_bucket_stats(const ssugraph_lane* lane,
                                                              size_t bucket_index,
                                                              ssugraph_bucket_stats* stats);
/** How often replays served each batch: entry b counts batch b, up to the largest bucket. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_batch_histogram(const ssugraph_lane* lane,
                                                             uint64_t* histogram, size_t capacity,
                                                             size_t* count);
/** The pipeline's JSON and the graphs that were recorded; no address, no time. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_describe_json(const ssugraph_lane* lane, char* text,
                                                           size_t capacity, size_t* length);
/** The graph of `bucket` in the language of Graphviz. INVALID_STATE if there is none. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_dot(const ssugraph_lane* lane, int32_t bucket,
                                                 char* text, size_t capacity, size_t* length);
/** Replays every bucket full and takes the median of `rounds`, whatever `capacity` is; C++:
 *  lane::time_buckets. `*count` is that of ssugraph_pipeline_buckets. Changes what the bound
 *  tensors hold; waits for the stream. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_time_buckets(ssugraph_lane* lane, int32_t rounds,
                                                          ssugraph_bucket_time* times,
                                                          size_t capacity, size_t* count,
                                                          ssugraph_stream stream);

/* Staging ring --------------------------------------------------------------------------------- */

/** Pinned memory for `depth` batches of `bytes` each; `device` is a CUDA ordinal, or -1 for the
 *  host. INVALID_ARGUMENT, UNSUPPORTED, CUDA_ERROR, OUT_OF_MEMORY. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_create(size_t bytes, size_t depth,
                                                            int32_t device,
                                                            ssugraph_staging_ring** ring);
/** Waits, on the host, for copies that are still to run. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_destroy(ssugraph_staging_ring* ring);
/** Starts a batch. Waits, on the host, for the copies of the batch `depth` submits ago. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_begin(ssugraph_staging_ring* ring);
/** Memory for the first `rows` rows of `destination`, a dense int32 or int64 tensor: `*count`
 *  elements of its dtype, to be written before the submit. INVALID_ARGUMENT, INVALID_STATE. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_take(ssugraph_staging_ring* ring,
                                                          const DLTensor* destination, int64_t rows,
                                                          void** memory, size_t* count);
/** Ends the batch: copies, in stream order. INVALID_STATE in a capture. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_submit(ssugraph_staging_ring* ring,
                                                            ssugraph_stream stream);

#ifdef __cplusplus
}
#endif

#endif
