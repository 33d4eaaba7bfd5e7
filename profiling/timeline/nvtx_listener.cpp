#include "profiling/timeline/tracer.hpp"

#include <nvtx3/nvToolsExt.h>
#include <nvtx3/nvToolsExtCudaRt.h>

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

/** Ranges of all domains of the process, the library's and users' own. */
namespace ssugraph::timeline {
namespace {

/** Handles that programs keep point to these; they are never freed, for static objects of a program
 *  may use them last. */
struct text {
  std::string chars;
};

struct domain {
  std::string name;
  std::mutex mutex = {};
  std::map<std::uint32_t, std::string> categories = {};
};

domain& domain_of(nvtxDomainHandle_t handle) {
  static auto* const global = new domain{""};
  return handle == nullptr ? *global : *reinterpret_cast<domain*>(handle);
}

/** Ranges that a thread has open, the innermost last. Closed ones are matched by domain. */
struct open_range {
  const domain* of;
  host_range range;
};

thread_local std::vector<open_range> open_ranges;

nvtxDomainHandle_t create_domain(const char* name) {
  return reinterpret_cast<nvtxDomainHandle_t>(new domain{name});
}

nvtxStringHandle_t register_string(nvtxDomainHandle_t, const char* chars) {
  return reinterpret_cast<nvtxStringHandle_t>(new text{chars});
}

void name_category(nvtxDomainHandle_t handle, std::uint32_t id, const char* name) {
  domain& of = domain_of(handle);
  const std::lock_guard lock{of.mutex};
  of.categories[id] = name;
}

std::string message_of(const nvtxEventAttributes_t& attributes) {
  if (attributes.messageType == NVTX_MESSAGE_TYPE_REGISTERED && attributes.message.registered)
    return reinterpret_cast<const text*>(attributes.message.registered)->chars;
  if (attributes.messageType == NVTX_MESSAGE_TYPE_ASCII && attributes.message.ascii)
    return attributes.message.ascii;
  return "(unnamed)";
}

std::optional<std::int64_t> payload_of(const nvtxEventAttributes_t& attributes) {
  switch (attributes.payloadType) {
    case NVTX_PAYLOAD_TYPE_INT64:
    case NVTX_PAYLOAD_TYPE_UNSIGNED_INT64:
      return attributes.payload.llValue;
    case NVTX_PAYLOAD_TYPE_INT32:
      return attributes.payload.iValue;
    case NVTX_PAYLOAD_TYPE_UNSIGNED_INT32:
      return attributes.payload.uiValue;
    default:
      return std::nullopt;
  }
}

/** The depth of the new range, as NVTX wants it. */
int open(domain& of, host_range range) {
  range.domain = of.name;
  range.thread = this_thread();
  range.time.begin = now();
  open_ranges.push_back({&of, std::move(range)});
  return static_cast<int>(open_ranges.size()) - 1;
}

int push(nvtxDomainHandle_t handle, const nvtxEventAttributes_t* attributes) {
  domain& of = domain_of(handle);
  host_range range{.name = message_of(*attributes), .payload = payload_of(*attributes)};
  {
    const std::lock_guard lock{of.mutex};
    const auto category = of.categories.find(attributes->category);
    if (category != of.categories.end()) range.category = category->second;
  }
  return open(of, std::move(range));
}

int pop(nvtxDomainHandle_t handle) {
  const domain* of = &domain_of(handle);
  for (std::size_t i = open_ranges.size(); i-- > 0;) {
    if (open_ranges[i].of != of) continue;
    host_range range = std::move(open_ranges[i].range);
    open_ranges.erase(open_ranges.begin() + static_cast<std::ptrdiff_t>(i));
    range.time.end = now();
    // One that was opened before the tracing or closed behind it has no time.
    if (range.time.begin != 0 && range.time.end != 0) add_range(std::move(range));
    return static_cast<int>(i);
  }
  return NVTX_NO_PUSH_POP_TRACKING;
}

int push_global(const nvtxEventAttributes_t* attributes) {
  return push(nullptr, attributes);
}

int push_global_text(const char* message) {
  return open(domain_of(nullptr), {.name = message});
}

int pop_global() {
  return pop(nullptr);
}

void name_cuda_stream(nvtx_cudaStream_t stream, const char* name) {
  name_stream(static_cast<CUstream_st*>(stream), name);
}

/** The functions of one image's NVTX that a tool may replace. */
class function_table {
 public:
  function_table(const NvtxExportTableCallbacks& exported, NvtxCallbackModule module) {
    if (!exported.GetModuleFunctionTable(module, &functions_, &size_)) size_ = 0;
  }
  template <class Function>
  void set(unsigned id, Function function) {
    if (id < size_) *functions_[id] = reinterpret_cast<NvtxFunctionPointer>(function);
  }

 private:
  NvtxFunctionTable functions_ = nullptr;
  unsigned size_ = 0;
};

}  // namespace

std::optional<std::int64_t> batch_of_this_thread() noexcept {
  for (std::size_t i = open_ranges.size(); i-- > 0;) {
    const host_range& range = open_ranges[i].range;
    if (range.domain == "ssugraph" && range.category == "replay") return range.payload;
  }
  return std::nullopt;
}

}  // namespace ssugraph::timeline

/** Called by every image of the process that has NVTX, each with functions of its own. */
extern "C" [[gnu::visibility("default")]] int InitializeInjectionNvtx2(
    NvtxGetExportTableFunc_t get_export_table) {
  using namespace ssugraph::timeline;
  const auto* exported =
      static_cast<const NvtxExportTableCallbacks*>(get_export_table(NVTX_ETID_CALLBACKS));
  if (exported == nullptr) return 0;
  function_table domains{*exported, NVTX_CB_MODULE_CORE2};
  domains.set(NVTX_CBID_CORE2_DomainCreateA, &create_domain);
  domains.set(NVTX_CBID_CORE2_DomainRegisterStringA, &register_string);
  domains.set(NVTX_CBID_CORE2_DomainNameCategoryA, &name_category);
  domains.set(NVTX_CBID_CORE2_DomainRangePushEx, &push);
  domains.set(NVTX_CBID_CORE2_DomainRangePop, &pop);
  function_table global{*exported, NVTX_CB_MODULE_CORE};
  global.set(NVTX_CBID_CORE_RangePushEx, &push_global);
  global.set(NVTX_CBID_CORE_RangePushA, &push_global_text);
  global.set(NVTX_CBID_CORE_RangePop, &pop_global);
  function_table runtime{*exported, NVTX_CB_MODULE_CUDART};
  runtime.set(NVTX_CBID_CUDART_NameCudaStreamA, &name_cuda_stream);
  return 1;
}
