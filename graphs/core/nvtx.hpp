#pragma once

#include <ssugraph/stream.hpp>

#include <cstdint>
#include <string>

/**
 * Ranges that a profiler shows on the host: NVTX, domain `ssugraph`. Nothing is called where no
 * tool listens, where the environment says SSUGRAPH_NVTX=0 (read once), or in a build without NVTX.
 */
namespace ssugraph::detail {

enum class nvtx_category : std::uint32_t { build = 1, record, tune, replay, eager };

struct nvtx_text;

/** A text that tools know by a handle, so that a range need not copy it. */
class nvtx_name {
 public:
  explicit nvtx_name(const std::string& text);

 private:
  friend class nvtx_range;
  const nvtx_text* text_;  // kept until the process ends; null where nothing listens
};

/** A range on the calling thread, with a number for a payload. */
class nvtx_range {
 public:
  nvtx_range(nvtx_category category, const nvtx_name& name, std::int64_t payload) noexcept
      : open_{name.text_ != nullptr} {
    if (open_) push(category, *name.text_, payload);
  }
  nvtx_range(const nvtx_range&) = delete;
  nvtx_range& operator=(const nvtx_range&) = delete;
  ~nvtx_range() {
    if (open_) pop();
  }

 private:
  static void push(nvtx_category category, const nvtx_text& text, std::int64_t payload) noexcept;
  static void pop() noexcept;

  bool open_;
};

/** Tells tools what a CUDA stream of the library's is for. In a CUDA build. */
void name_stream(stream_handle stream, const char* name) noexcept;

}  // namespace ssugraph::detail
