#pragma once

#include "tests/support/arena.hpp"

#include <ssugraph/stream.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

/** Memory and streams of either kind, so that one test body runs on the host and on a GPU. */
namespace ssugraph::test {

enum class place : std::uint8_t { host, device };

/** Zeroed or copied bytes in one place, 256-byte aligned. Every CUDA call is checked. */
class placed_memory {
 public:
  placed_memory(place where, std::size_t bytes);
  placed_memory(place where, const arena& content);
  placed_memory(placed_memory&&) noexcept;
  placed_memory& operator=(placed_memory&&) = delete;
  ~placed_memory();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }

  /** Copies bytes in or out; waits for everything that runs on the device. */
  void write(std::size_t offset, std::span<const std::byte> bytes);
  void read(std::size_t offset, std::span<std::byte> bytes) const;
  [[nodiscard]] arena read_all() const;

 private:
  place where_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/** Copies within one place, in stream order; on the host before it returns. */
void enqueue_copy(place where, void* to, const void* from, std::size_t bytes, stream_handle stream);

/** A non-blocking stream; on the host none. */
class placed_stream {
 public:
  explicit placed_stream(place where);
  placed_stream(placed_stream&&) = delete;
  ~placed_stream();

  [[nodiscard]] stream_handle get() const { return stream_; }
  void wait() const;

 private:
  stream_handle stream_ = nullptr;
};

}  // namespace ssugraph::test
