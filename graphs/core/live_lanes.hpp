#pragma once

#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <functional>
#include <list>
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
class live_lanes {
 public:
  /**
   * Enters `lane`, or moves it to `stream` and `tensors` by `change`, for the length of which it is
   * in both places. No lock is held meanwhile, so `change` may make and destroy other lanes. Throws
   * invalid_argument if a lane on another stream reads what this one writes, or the other way
   * round; then, and where `change` throws, nothing changed.
   */
  void enter(const void* lane, stream_handle stream, std::vector<lane_tensor> tensors,
             const std::function<void()>& change);
  void leave(const void* lane) noexcept;

 private:
  struct entry {
    const void* lane;
    stream_handle stream;
    std::vector<lane_tensor> tensors;
  };

  using place = std::list<entry>::iterator;

  /** A further entry of `lane`. Throws invalid_argument. */
  [[nodiscard]] place add(entry mine);
  void erase(place mine) noexcept;
  void erase_others(place mine) noexcept;

  std::mutex mutex_;
  std::list<entry> entries_;
};

}  // namespace ssugraph::detail
