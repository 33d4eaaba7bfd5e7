#include "graphs/core/nvtx.hpp"

#if SSUGRAPH_NVTX

#include <nvtx3/nvtx3.hpp>
#if SSUGRAPH_CUDA
#include <nvtx3/nvToolsExtCudaRt.h>
#endif

#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>

namespace ssugraph::detail {
namespace {

struct ssugraph_domain {
  static constexpr const char* name = "ssugraph";
};

bool asked_off() {
  const char* value = std::getenv("SSUGRAPH_NVTX");
  return value != nullptr && std::string_view{value} == "0";
}

void name_category(nvtx_category category, const char* name) {
  static_cast<void>(nvtx3::v1::named_category_in<ssugraph_domain>{
      static_cast<nvtx3::v1::category::id_type>(category), name});
}

/** Decided by the first range of the process, as NVTX itself decides whether there is a tool. */
bool listens() {
  static const bool answer = [] {
    if (asked_off()) return false;
    const nvtxDomainHandle_t domain = nvtx3::v1::domain::get<ssugraph_domain>();
    if (domain == nullptr) return false;
    name_category(nvtx_category::build, "build");
    name_category(nvtx_category::record, "record");
    name_category(nvtx_category::tune, "tune");
    name_category(nvtx_category::replay, "replay");
    name_category(nvtx_category::eager, "eager");
    return true;
  }();
  return answer;
}

}  // namespace

struct nvtx_text {
  nvtx3::v1::registered_string_in<ssugraph_domain> registered;
};

namespace {

/** What a tool was told of. Never destroyed: objects with static lifetime may have ranges later. */
struct known_texts {
  std::mutex mutex;
  std::map<std::string, nvtx_text> texts;
};

/** A tool is told of a text once, however many pipelines use it. */
const nvtx_text* registered(const std::string& text) {
  static known_texts& known = *new known_texts;
  const std::lock_guard lock{known.mutex};
  const auto found = known.texts.find(text);
  if (found != known.texts.end()) return &found->second;
  using registered_string = nvtx3::v1::registered_string_in<ssugraph_domain>;
  return &known.texts.try_emplace(text, nvtx_text{registered_string{text}}).first->second;
}

}  // namespace

nvtx_name::nvtx_name(const std::string& text) : text_{listens() ? registered(text) : nullptr} {}

void nvtx_range::push(nvtx_category category, const nvtx_text& text,
                      std::int64_t payload) noexcept {
  const nvtx3::v1::event_attributes attributes{
      text.registered, nvtx3::v1::category{static_cast<nvtx3::v1::category::id_type>(category)},
      nvtx3::v1::payload{payload}};
  nvtxDomainRangePushEx(nvtx3::v1::domain::get<ssugraph_domain>(), attributes.get());
}

void nvtx_range::pop() noexcept {
  nvtxDomainRangePop(nvtx3::v1::domain::get<ssugraph_domain>());
}

#if SSUGRAPH_CUDA
void name_stream(stream_handle stream, const char* name) noexcept {
  if (listens()) nvtxNameCudaStreamA(stream, name);
}
#endif

}  // namespace ssugraph::detail

#else

namespace ssugraph::detail {

nvtx_name::nvtx_name(const std::string&) : text_{nullptr} {}
void nvtx_range::push(nvtx_category, const nvtx_text&, std::int64_t) noexcept {}
void nvtx_range::pop() noexcept {}
void name_stream(stream_handle, const char*) noexcept {}

}  // namespace ssugraph::detail

#endif
