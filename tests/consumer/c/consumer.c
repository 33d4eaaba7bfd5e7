// What a user does in C, on the host: replays one layer for two sequences, then for one.

#include <ssugraph/ssugraph.h>

#include <stdio.h>
#include <stdlib.h>

static void check(ssugraph_status status) {
  if (status == SSUGRAPH_STATUS_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", ssugraph_status_string(status), ssugraph_last_error());
  exit(EXIT_FAILURE);
}

static DLTensor float_tensor(float* data, int32_t rank, int64_t* extents) {
  return (DLTensor){.data = data,
                    .device = {kDLCPU, 0},
                    .ndim = rank,
                    .dtype = {kDLFloat, 32, 1},
                    .shape = extents};
}

int main(void) {
  // A = 0 keeps the state, so each step adds dt * x * B = 0.5 * 2 * 3 to it; out = state * C.
  float state[] = {1, 10}, x[] = {2, 2}, dt[] = {0.5f, 0.5f}, A[] = {0}, B[] = {3, 3}, C[] = {2, 2},
        out[] = {-1, -1};
  int64_t ones[] = {1, 1, 1}, rows[] = {2, 1, 1, 1};
  const DLTensor state_tensor = float_tensor(state, 4, rows), x_tensor = float_tensor(x, 3, rows),
                 dt_tensor = float_tensor(dt, 3, rows), A_tensor = float_tensor(A, 3, ones),
                 B_tensor = float_tensor(B, 3, rows), C_tensor = float_tensor(C, 3, rows),
                 out_tensor = float_tensor(out, 3, rows);
  const ssugraph_ssu_args args = {.struct_size = sizeof args,
                                  .state = &state_tensor,
                                  .x = &x_tensor,
                                  .dt = &dt_tensor,
                                  .A = &A_tensor,
                                  .B = &B_tensor,
                                  .C = &C_tensor,
                                  .out = &out_tensor};

  const int32_t buckets[] = {2};
  ssugraph_builder* builder = NULL;
  ssugraph_pipeline* pipeline = NULL;
  ssugraph_lane* lane = NULL;
  check(ssugraph_builder_create(NULL, buckets, 1, SSUGRAPH_TARGET_HOST, &builder));
  check(ssugraph_builder_ssu(builder, "layer", &args, NULL));
  check(ssugraph_builder_build(builder, &pipeline));
  check(ssugraph_pipeline_make_lane(pipeline, NULL, 0, NULL, &lane));
  check(ssugraph_lane_replay(lane, 2, NULL));
  check(ssugraph_lane_replay(lane, 1, NULL));
  const ssugraph_status refused = ssugraph_lane_replay(lane, 3, NULL);
  check(ssugraph_lane_destroy(lane));
  check(ssugraph_pipeline_destroy(pipeline));
  check(ssugraph_builder_destroy(builder));

  // The second replay had one live sequence: the other's state stays, its out row is zero.
  const int right = state[0] == 7 && state[1] == 13 && out[0] == 14 && out[1] == 0 &&
                    refused == SSUGRAPH_STATUS_INVALID_ARGUMENT;
  printf("version %s: %s\n", ssugraph_version_string(), right ? "right" : "wrong");
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
