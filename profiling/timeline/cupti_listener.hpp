#pragma once

#include "profiling/timeline/cupti.hpp"
#include "profiling/timeline/node_map.hpp"
#include "profiling/timeline/recorder.hpp"

#include <cstddef>
#include <cstdint>

/** CUPTI's side of the timeline: device activity, launches, which node is copied from which, and
 *  which of them are gone. */
namespace ssugraph::timeline {

/** What CUPTI tells of a process, into a recorder. There is one; callbacks may be under way when it
 *  stops, so it is never destroyed once it was started. */
class cupti_listener {
 public:
  /** Throws std::runtime_error where CUPTI is not to be had. */
  explicit cupti_listener(recorder& to) : cupti_{load_cupti()}, recorder_{to} {}
  cupti_listener(const cupti_listener&) = delete;
  cupti_listener& operator=(const cupti_listener&) = delete;

  /** Callbacks come from here on. Throws std::runtime_error. */
  void start();
  /** Has CUPTI hand over what it holds. Throws std::runtime_error. */
  void flush();
  /** Callbacks that still come are passed over. */
  static void stop() noexcept;

  /** The clock of all events; 0 where it fails. */
  [[nodiscard]] std::uint64_t now() const noexcept;
  [[nodiscard]] node_key key_of(CUgraph graph, CUgraphNode node) const noexcept;
  void name_stream(CUstream stream, const char* name);

 private:
  static void CUPTIAPI on_callback(void* user, CUpti_CallbackDomain domain, CUpti_CallbackId id,
                                   const void* data);
  static void CUPTIAPI on_buffer_requested(std::uint8_t** buffer, std::size_t* bytes,
                                           std::size_t* most_records);
  static void CUPTIAPI on_buffer_completed(CUcontext context, std::uint32_t stream,
                                           std::uint8_t* buffer, std::size_t bytes,
                                           std::size_t valid_bytes);

  /** 0: it is not known. */
  [[nodiscard]] std::uint32_t id_of(CUgraph graph) const noexcept;

  void on_change(CUpti_CallbackId what, const CUpti_GraphData& graph);
  void on_launch(const CUpti_CallbackData& call);
  void read(const CUpti_Activity& record);

  cupti_functions cupti_;
  recorder& recorder_;
};

}  // namespace ssugraph::timeline
