/* A host pipeline end to end through the C API alone, as C11. */

#include <ssugraph/ssugraph.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition) check((condition), #condition, __LINE__)
#define SUCCEEDS(call) check((call) == SSUGRAPH_STATUS_SUCCESS, #call, __LINE__)

static int failures = 0;

static void check(int holds, const char* what, int line) {
  if (holds) return;
  ++failures;
  fprintf(stderr, "c11.c:%d: not so: %s (last error: %s)\n", line, what, ssugraph_last_error());
}

/* A tensor of floats in host memory. */
static DLTensor floats(float* data, int32_t ndim, int64_t* shape) {
  const DLTensor tensor = {.data = data,
                           .device = {kDLCPU, 0},
                           .ndim = ndim,
                           .dtype = {kDLFloat, 32, 1},
                           .shape = shape};
  return tensor;
}

/* Doubles what lies in `user_data`, two floats. */
static int doubles(void* user_data, const ssugraph_step_context* context, ssugraph_stream stream) {
  float* values = user_data;
  (void)stream;
  if (context->bucket != 2 || context->rows != 2 || *context->live_sequences < 1) return 1;
  for (int i = 0; i < *context->live_sequences; ++i)
    values[i] *= 2;
  return 0;
}

static int ended = 0;

static void end(void* user_data) {
  (void)user_data;
  ++ended;
}

static void ignore(void* user_data, const char* line) {
  (void)user_data;
  (void)line;
}

int main(void) {
  /* A = 0 keeps the state, so each step adds dt * x * B = 3 to it; out = state * C. */
  float state[2] = {1, 10}, x[2] = {2, 2}, dt[2] = {0.5f, 0.5f}, A[1] = {0}, B[2] = {3, 3};
  float C[2] = {2, 2}, out[2] = {-1, -1};
  int64_t slots[4] = {2, 1, 1, 1};
  int64_t rows[3] = {2, 1, 1};
  int64_t one[3] = {1, 1, 1};
  const DLTensor tensors[] = {floats(state, 4, slots), floats(x, 3, rows), floats(dt, 3, rows),
                              floats(A, 3, one),       floats(B, 3, rows), floats(C, 3, rows),
                              floats(out, 3, rows)};
  const ssugraph_ssu_args args = {.struct_size = sizeof args,
                                  .state = &tensors[0],
                                  .x = &tensors[1],
                                  .dt = &tensors[2],
                                  .A = &tensors[3],
                                  .B = &tensors[4],
                                  .C = &tensors[5],
                                  .out = &tensors[6]};
  const int32_t buckets[] = {2};
  ssugraph_builder* builder = NULL;
  ssugraph_pipeline* pipeline = NULL;
  ssugraph_lane* lane = NULL;
  SUCCEEDS(ssugraph_set_log_sink(ignore, NULL));
  SUCCEEDS(ssugraph_builder_create(NULL, buckets, 1, SSUGRAPH_TARGET_HOST, &builder));
  SUCCEEDS(ssugraph_builder_ssu(builder, "layer", &args, NULL));
  SUCCEEDS(ssugraph_builder_step(builder, "doubles", doubles, out, end, NULL));
  SUCCEEDS(ssugraph_builder_build(builder, &pipeline));
  SUCCEEDS(ssugraph_pipeline_make_lane(pipeline, NULL, 0, NULL, &lane));
  SUCCEEDS(ssugraph_builder_destroy(builder));
  SUCCEEDS(ssugraph_pipeline_destroy(pipeline));

  SUCCEEDS(ssugraph_lane_replay(lane, 2, NULL));
  EXPECT(state[0] == 4 && state[1] == 13 && out[0] == 16 && out[1] == 52);
  /* One live sequence: the other's state stays, its out row is zero. */
  SUCCEEDS(ssugraph_lane_run_eager(lane, 1, NULL));
  EXPECT(state[0] == 7 && state[1] == 13 && out[0] == 28 && out[1] == 0);

  ssugraph_lane_stats stats = {.struct_size = sizeof stats};
  SUCCEEDS(ssugraph_lane_get_stats(lane, &stats));
  EXPECT(stats.replays == 1 && stats.bucket_count == 1);
  size_t length = 0;
  SUCCEEDS(ssugraph_lane_describe_json(lane, NULL, 0, &length));
  char* json = malloc(length + 1);
  if (json == NULL) return EXIT_FAILURE;
  SUCCEEDS(ssugraph_lane_describe_json(lane, json, length + 1, NULL));
  EXPECT(strlen(json) == length && strstr(json, "doubles") != NULL);
  free(json);

  EXPECT(ssugraph_lane_replay(lane, 3, NULL) == SSUGRAPH_STATUS_INVALID_ARGUMENT);
  EXPECT(strstr(ssugraph_last_error(), "batch") != NULL);
  EXPECT(ended == 0);
  SUCCEEDS(ssugraph_lane_destroy(lane));
  EXPECT(ended == 1);
  EXPECT(ssugraph_lane_replay(lane, 1, NULL) == SSUGRAPH_STATUS_INVALID_ARGUMENT);
  EXPECT(strstr(ssugraph_last_error(), "destroyed") != NULL);

  if (failures > 0) return EXIT_FAILURE;
  printf("c11: state %g %g, out %g %g\n", state[0], state[1], out[0], out[1]);
  return EXIT_SUCCESS;
}
