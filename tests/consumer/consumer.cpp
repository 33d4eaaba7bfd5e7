// Records one SSU layer and replays it twice through the public interface alone.

#include <ssugraph/ssugraph.hpp>

#include <array>
#include <cstdlib>
#include <iostream>

int main() {
  using ssugraph::dtype;

  // A = 0 keeps the state, so each step adds dt * x * B = 0.5 * 2 * 3 to it; out = state * C.
  std::array<float, 2> state{1, 10}, x{2, 2}, dt{0.5, 0.5}, B{3, 3}, C{2, 2}, out{-1, -1};
  const float A = 0;

  ssugraph::ssu_args args;
  args.state = {state.data(), dtype::float32, {2, 1, 1, 1}};
  args.x = {x.data(), dtype::float32, {2, 1, 1}};
  args.dt = {dt.data(), dtype::float32, {2, 1, 1}};
  args.A = {&A, dtype::float32, {1, 1, 1}};
  args.B = {B.data(), dtype::float32, {2, 1, 1}};
  args.C = {C.data(), dtype::float32, {2, 1, 1}};
  args.out = {out.data(), dtype::float32, {2, 1, 1}};

  const auto pipeline =
      ssugraph::pipeline_builder{{}, ssugraph::bucket_policy{{2}}, ssugraph::target::host}
          .ssu("layer", args)
          .build();
  auto lane = pipeline.make_lane(nullptr);
  lane.replay(2, nullptr);
  lane.replay(1, nullptr);

  // The second replay had one live sequence: the other's state stays, its out row is zero.
  const bool right = state == std::array<float, 2>{7, 13} && out == std::array<float, 2>{14, 0};
  std::cout << "state " << state[0] << ' ' << state[1] << ", out " << out[0] << ' ' << out[1]
            << (right ? "" : ": expected state 7 13, out 14 0") << '\n';
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
