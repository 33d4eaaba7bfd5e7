#pragma once

#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace ssugraph::detail {

/** A row tensor of a lane's step, for the check that lanes in flight together stay apart. */
struct lane_tensor {
  std::string name;  ///< `step.tensor`
  tensor_view view;
  bool written = false;
};

/** The live lanes of a pipeline: which stream each is on and what it reads and writes. Thread-safe.
 */
class lane_registry {
 public:
  /**
   * Enters `lane`, or moves it to `stream` and `tensors` once `before_entry` has run. Throws
   * invalid_argument if a lane on another stream reads what this one writes, or the other way
   * round; then, and where `before_entry` throws, nothing changed.
   */
  void enter(
      const void* lane, stream_handle stream, const std::vector<lane_tensor>& tensors,
      const std::function<void()>& before_entry = [] {});
  void leave(const void* lane) noexcept;

 private:
  struct entry {
    const void* lane;
    stream_handle stream;
    std::vector<lane_tensor> tensors;
  };

  std::mutex mutex_;
  std::vector<entry> entries_;
};

}  // namespace ssugraph::detail
