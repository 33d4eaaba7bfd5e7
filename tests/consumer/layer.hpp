#pragma once

#include <ssugraph/ssugraph.hpp>

/** The tensors of one SSU layer, for two sequences. */
struct layer {
  // A = 0 keeps the state, so each step adds dt * x * B = 0.5 * 2 * 3 to it; out = state * C.
  float state[2] = {1, 10}, x[2] = {2, 2}, dt[2] = {0.5, 0.5}, B[2] = {3, 3}, C[2] = {2, 2},
        out[2] = {-1, -1};
  float A = 0;
};

/** `at` may lie on the device. */
inline ssugraph::ssu_args args_of(layer* at) {
  using ssugraph::dtype;
  ssugraph::ssu_args args;
  args.state = {&at->state, dtype::float32, {2, 1, 1, 1}};
  args.x = {&at->x, dtype::float32, {2, 1, 1}};
  args.dt = {&at->dt, dtype::float32, {2, 1, 1}};
  args.A = {&at->A, dtype::float32, {1, 1, 1}};
  args.B = {&at->B, dtype::float32, {2, 1, 1}};
  args.C = {&at->C, dtype::float32, {2, 1, 1}};
  args.out = {&at->out, dtype::float32, {2, 1, 1}};
  return args;
}

/** Replays `at` with two live sequences, then with one. */
inline void replay_twice(layer* at, ssugraph::target where, ssugraph::stream_handle stream) {
  const auto pipeline = ssugraph::pipeline_builder{{}, ssugraph::bucket_policy{{2}}, where}
                            .ssu("layer", args_of(at))
                            .build();
  auto lane = pipeline.make_lane(stream);
  lane.replay(2, stream);
  lane.replay(1, stream);
}

/** Whether `is` is what replay_twice makes: the second sequence's state stays, its out row is zero.
 */
inline bool replayed_twice(const layer& is) {
  return is.state[0] == 7 && is.state[1] == 13 && is.out[0] == 14 && is.out[1] == 0;
}
