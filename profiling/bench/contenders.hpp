#pragma once

#include "profiling/bench/layers.hpp"
#include "profiling/bench/options.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>

/** What is measured against each other: graphs of the same layers on the same slots. */
namespace bench {

class replayable {
 public:
  virtual ~replayable() = default;
  /** What a replay needs and is not timed. Throws cuda_error. */
  virtual void prepare(cudaStream_t) {}
  /** One replay. Throws cuda_error. */
  virtual void run(cudaStream_t stream) = 0;
};

struct contender {
  std::string name;
  seed_source seeds;
  std::string plan;     ///< backend:algorithm, where a library pipeline runs
  std::string refusal;  ///< why its backend does not serve; empty: it does
  std::unique_ptr<replayable> replay;

  [[nodiscard]] bool serves() const { return replay != nullptr; }
};

/** One point to measure: a bucket of one model. */
struct point {
  const options& opts;
  const bench::model& model;
  std::int32_t batch;
  float* stand_in_out;  ///< stand_in_blocks() of them
  std::int64_t* seed_out;
  cudaStream_t stream;
};

/**
 * `name` is NAME or NAME:ALGORITHM. A pipeline of all layers, each with what the options put in
 * front of it. Throws what the library throws, but for unsupported.
 */
[[nodiscard]] contender make_backend(const point& at, const std::string& name, seed_source seeds);

/** The floor in place of every layer, with the same kernels between, as one graph. */
[[nodiscard]] contender make_floor(const point& at);

/** What stands between the layers and nothing else, as one graph. */
[[nodiscard]] contender make_neighbours(const point& at);

}  // namespace bench
