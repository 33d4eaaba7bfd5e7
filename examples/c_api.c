/* Two Mamba layers with a step of the program's own between them, as one replay, from C. With a GPU
 * and SSUGRAPH_CUDA=1 the memory is CUDA's, else the host's. */

#include <ssugraph/ssugraph.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#if SSUGRAPH_CUDA
#include <cuda_runtime_api.h>
#endif

enum { batch = 4, nheads = 2, dim = 8, dstate = 16, layers = 2 };

static int32_t on_gpu = 0;

static void check(ssugraph_status status, const char* call) {
  if (status == SSUGRAPH_STATUS_SUCCESS) return;
  fprintf(stderr, "%s: %s: %s\n", call, ssugraph_status_string(status), ssugraph_last_error());
  exit(EXIT_FAILURE);
}
#define CHECK(call) check(call, #call)

/* A dense tensor of floats of its own, each with the value 1; the host may read it after a wait. */
static DLTensor* make_tensor(int32_t ndim, int64_t a, int64_t b, int64_t c, int64_t d) {
  struct owned {
    DLTensor tensor;
    int64_t shape[4];
  }* made = calloc(1, sizeof *made);
  const size_t count = (size_t)(a * b * c * d);
  void* data = NULL;
#if SSUGRAPH_CUDA
  if (on_gpu && cudaMallocManaged(&data, count * sizeof(float), cudaMemAttachGlobal) != 0)
    data = NULL;
#endif
  if (!on_gpu) data = malloc(count * sizeof(float));
  if (made == NULL || data == NULL) exit(EXIT_FAILURE);
  for (size_t i = 0; i < count; ++i)
    ((float*)data)[i] = 1;
  const DLDevice device = {on_gpu ? kDLCUDAManaged : kDLCPU, 0};
  const DLDataType dtype = {kDLFloat, 32, 1};
  *made = (struct owned){{data, device, ndim, dtype, made->shape, NULL, 0}, {a, b, c, d}};
  return &made->tensor;
}

/* A step: x of the second layer becomes what the first one gave. */
struct copy {
  const void* from;
  void* to;
};
static int enqueue_copy(void* user_data, const ssugraph_step_context* context,
                        ssugraph_stream stream) {
  const struct copy* copy = user_data;
  const size_t count = (size_t)context->rows * nheads * dim;
  (void)stream;
#if SSUGRAPH_CUDA
  if (on_gpu)
    return (int)cudaMemcpyAsync(copy->to, copy->from, count * sizeof(float),
                                cudaMemcpyDeviceToDevice, stream);
#endif
  for (size_t i = 0; i < count; ++i)
    ((float*)copy->to)[i] = ((const float*)copy->from)[i];
  return 0;
}

int main(void) {
#if SSUGRAPH_CUDA
  CHECK(ssugraph_has_cuda_device(&on_gpu));
#endif
  const int32_t target = on_gpu ? SSUGRAPH_TARGET_CUDA : SSUGRAPH_TARGET_HOST;
  int32_t buckets[8];
  size_t count = 0;
  CHECK(ssugraph_buckets_powers_of_two(batch, buckets, 8, &count));
  ssugraph_builder* builder = NULL;
  CHECK(ssugraph_builder_create(NULL, buckets, count, target, &builder));

  ssugraph_ssu_args args[layers];
  struct copy copy = {NULL, NULL};
  for (int i = 0; i < layers; ++i) {
    const ssugraph_ssu_args layer = {.struct_size = sizeof layer,
                                     .state = make_tensor(4, batch, nheads, dim, dstate),
                                     .x = make_tensor(3, batch, nheads, dim, 1),
                                     .dt = make_tensor(3, batch, nheads, dim, 1),
                                     .A = make_tensor(3, nheads, dim, dstate, 1),
                                     .B = make_tensor(3, batch, 1, dstate, 1),
                                     .C = make_tensor(3, batch, 1, dstate, 1),
                                     .out = make_tensor(3, batch, nheads, dim, 1)};
    args[i] = layer;
    if (i > 0) {
      copy = (struct copy){args[i - 1].out->data, layer.x->data};
      CHECK(ssugraph_builder_step(builder, "copy", enqueue_copy, &copy, NULL, NULL));
    }
    CHECK(ssugraph_builder_ssu(builder, i == 0 ? "layer0" : "layer1", &layer, NULL));
  }

  ssugraph_stream stream = NULL;
#if SSUGRAPH_CUDA
  if (on_gpu && cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != 0) return EXIT_FAILURE;
#endif
  ssugraph_pipeline* pipeline = NULL;
  ssugraph_lane* lane = NULL;
  CHECK(ssugraph_builder_build(builder, &pipeline));
  CHECK(ssugraph_pipeline_make_lane(pipeline, NULL, 0, stream, &lane));
  CHECK(ssugraph_lane_replay(lane, batch - 1, stream));
  ssugraph_random_state state;
  CHECK(ssugraph_lane_random_state(lane, &state)); /* waits for the stream */

  /* h = exp(1) + x, out = dstate * h: x is 1 in the first layer, and its out in the second. The
   * sequence behind the batch is padding: its rows are zero. */
  const double first = dstate * (2.718281828 + 1), second = dstate * (2.718281828 + first);
  const float* out = args[1].out->data;
  const float padding = out[(batch - 1) * nheads * dim];
  printf("%s: out %.3f, expected %.3f; padding %g\n", on_gpu ? "GPU" : "host", out[0], second,
         padding);
  CHECK(ssugraph_lane_destroy(lane));
  CHECK(ssugraph_pipeline_destroy(pipeline));
  CHECK(ssugraph_builder_destroy(builder));
  return fabs(out[0] / second - 1) < 1e-5 && padding == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
