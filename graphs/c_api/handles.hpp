#pragma once

#include <ssugraph/dispatch.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/pipeline_builder.hpp>
#include <ssugraph/ssugraph.h>
#include <ssugraph/staging.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

/**
 * Handles of the C API: numbers in the dress of pointers, given out once and never again, so that
 * any handle can be looked up and none has to be trusted. Each is odd and small: no address of
 * anything. A look-up shares ownership, so an object outlives the calls that are inside it.
 */
namespace ssugraph::c_api {

enum class handle_kind : std::uint8_t { dispatch, call, builder, pipeline, lane, staging_ring };

[[nodiscard]] void* add_handle(handle_kind kind, std::shared_ptr<void> object);
/** Throws invalid_argument, which names the kind: null, unknown, destroyed, of another kind. */
[[nodiscard]] std::shared_ptr<void> find_handle(handle_kind kind, const void* handle);
/** Takes the handle back and returns its object. Throws as `find_handle`. */
[[nodiscard]] std::shared_ptr<void> remove_handle(handle_kind kind, const void* handle);

/** An object that has one user at a time and does not see to it itself. */
template <class Object>
struct exclusive {
  Object object;
  std::atomic<bool> in_use = false;

  template <class... Arguments>
  explicit exclusive(Arguments&&... arguments) : object{std::forward<Arguments>(arguments)...} {}
};

using builder_object = exclusive<pipeline_builder>;
using ring_object = exclusive<staging_ring>;

/** Use of an exclusive object for the length of one call. Throws invalid_state if it is in use. */
template <class Object>
class visit {
 public:
  visit(std::shared_ptr<exclusive<Object>> owner, const char* name) : owner_{std::move(owner)} {
    if (!owner_->in_use.exchange(true, std::memory_order_acquire)) return;
    throw invalid_state{name, "is in use by another thread", "use it from one thread at a time"};
  }
  visit(const visit&) = delete;
  visit& operator=(const visit&) = delete;
  ~visit() { owner_->in_use.store(false, std::memory_order_release); }

  Object* operator->() const noexcept { return &owner_->object; }

 private:
  std::shared_ptr<exclusive<Object>> owner_;
};

/** What a type of handle stands for. */
template <class Handle>
struct behind;
template <>
struct behind<ssugraph_dispatch> {
  using object = ssu_dispatch;
  static constexpr handle_kind kind = handle_kind::dispatch;
};
template <>
struct behind<ssugraph_call> {
  using object = const ssu_call;
  static constexpr handle_kind kind = handle_kind::call;
};
template <>
struct behind<ssugraph_builder> {
  using object = builder_object;
  static constexpr handle_kind kind = handle_kind::builder;
};
template <>
struct behind<ssugraph_pipeline> {
  using object = const pipeline;
  static constexpr handle_kind kind = handle_kind::pipeline;
};
template <>
struct behind<ssugraph_lane> {
  using object = lane;
  static constexpr handle_kind kind = handle_kind::lane;
};
template <>
struct behind<ssugraph_staging_ring> {
  using object = ring_object;
  static constexpr handle_kind kind = handle_kind::staging_ring;
};

/** The object of a handle. Throws invalid_argument. */
template <class Handle>
[[nodiscard]] auto object_of(const Handle* handle) {
  using object = typename behind<Handle>::object;
  return std::static_pointer_cast<object>(find_handle(behind<Handle>::kind, handle));
}

[[nodiscard]] inline visit<pipeline_builder> visit_of(const ssugraph_builder* handle) {
  return {object_of(handle), "the builder"};
}
[[nodiscard]] inline visit<staging_ring> visit_of(const ssugraph_staging_ring* handle) {
  return {object_of(handle), "the staging ring"};
}

/** Sets `*handle`, where the caller wants it; null until `make` has given an object. */
template <class Handle, class Make>
void hand_out(const char* name, Handle** handle, Make&& make) {
  if (handle == nullptr) throw invalid_argument{name, "where the handle goes", "null"};
  *handle = nullptr;
  using object = std::remove_const_t<typename behind<Handle>::object>;
  std::shared_ptr<object> made = make();
  *handle = static_cast<Handle*>(add_handle(behind<Handle>::kind, std::move(made)));
}

/** Ends a handle; its object ends here, or with the calls that are inside it. */
template <class Handle>
void destroy(Handle* handle) {
  static_cast<void>(remove_handle(behind<Handle>::kind, handle));
}

}  // namespace ssugraph::c_api
