#pragma once

#include "inputs.hpp"

#include <ssugraph/pipeline.hpp>
#include <ssugraph/stream.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace serving_loop {

/** Zeroed memory that frees itself where it came from. */
using memory = std::unique_ptr<std::byte, void (*)(std::byte*)>;

/** Zeroed host memory; of a large block only pages that are written take space. */
[[nodiscard]] memory allocate_host(std::size_t bytes);

/** Points of a step on the stream, in this order. */
enum class moment : std::uint8_t { begin, prepared, replay, replayed };
inline constexpr int moments = 4;

struct step_time {
  double prepare_ms;  ///< indices, reset of new slots, inputs
  double replay_ms;
};

/**
 * What a serving loop needs of the place where it runs: memory, copies, inputs, one stream and the
 * times of its steps. Everything enqueues on `stream()`. On the host all of it is done on return.
 */
class machine {
 public:
  virtual ~machine() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual ssugraph::stream_handle stream() const = 0;

  [[nodiscard]] virtual std::size_t free_bytes() const = 0;
  [[nodiscard]] virtual memory allocate(std::size_t bytes) = 0;
  /** From here to here or to the host, or back. Host memory must stay until `synchronize`. */
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual void make_inputs(const input_job& job) = 0;
  virtual void synchronize() = 0;

  /**
   * Marks the begin of a step. Returns host memory for its tables, which stays as written until the
   * step is done: a few steps may be in flight, and this waits for the oldest if they are too many.
   */
  virtual std::int32_t* begin_step() = 0;
  /** Marks a later moment of the step. */
  virtual void mark(moment point) = 0;
  /** Waits for all steps. Returns their times, by the clock of the stream. */
  virtual std::vector<step_time> finish() = 0;
};

/**
 * The current CUDA device, or the host, with room for `table_size` int32 a step. Throws
 * invalid_argument if there is no CUDA device: the host is only ever chosen by name.
 */
[[nodiscard]] std::unique_ptr<machine> make_machine(ssugraph::target where, std::size_t table_size);

}  // namespace serving_loop
