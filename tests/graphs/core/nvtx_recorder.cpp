#include <nvtx3/nvToolsExt.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <mutex>
#include <string>

/**
 * A tool as NVTX_INJECTION64_PATH loads it: writes what it is told of domains, a line of JSON each,
 * to the file that NVTX_RECORDER_FILE names. Every image of a process that has NVTX initialises it
 * once. Names that are tested need no escapes.
 */
namespace {

/** A domain or a registered string: tools choose what their handles point to. */
struct named {
  std::string name;
};

std::mutex mutex;

void write(const std::string& line) {
  static std::FILE* const file = [] {
    const char* path = std::getenv("NVTX_RECORDER_FILE");
    return path == nullptr ? stderr : std::fopen(path, "w");
  }();
  const std::lock_guard lock{mutex};
  if (file == nullptr) std::abort();
  std::fprintf(file, "%s\n", line.c_str());
  std::fflush(file);
}

std::string quoted(const std::string& text) {
  return '"' + text + '"';
}

/** Handles are never freed: ranges of static objects may come last. */
named* keep(const char* name) {
  static auto& kept = *new std::list<named>;
  const std::lock_guard lock{mutex};
  kept.push_back({name});
  return &kept.back();
}

const named& named_of(const void* handle) {
  return *static_cast<const named*>(handle);
}

std::string place(const void* domain) {
  return R"("domain": )" + quoted(domain == nullptr ? "" : named_of(domain).name);
}

nvtxDomainHandle_t create_domain(const char* name) {
  write(R"({"event": "domain", "name": )" + quoted(name) + "}");
  return reinterpret_cast<nvtxDomainHandle_t>(keep(name));
}

nvtxStringHandle_t register_string(nvtxDomainHandle_t domain, const char* text) {
  write(R"({"event": "string", )" + place(domain) + R"(, "text": )" + quoted(text) + "}");
  return reinterpret_cast<nvtxStringHandle_t>(keep(text));
}

void name_category(nvtxDomainHandle_t domain, std::uint32_t id, const char* name) {
  write(R"({"event": "category", )" + place(domain) + R"(, "id": )" + std::to_string(id) +
        R"(, "name": )" + quoted(name) + "}");
}

int push(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* range) {
  const bool registered = range->messageType == NVTX_MESSAGE_TYPE_REGISTERED;
  const std::string name =
      registered ? named_of(range->message.registered).name : range->message.ascii;
  const std::string payload = range->payloadType == NVTX_PAYLOAD_TYPE_INT64
                                  ? std::to_string(range->payload.llValue)
                                  : "null";
  write(R"({"event": "push", )" + place(domain) + R"(, "name": )" + quoted(name) +
        R"(, "registered": )" + (registered ? "true" : "false") + R"(, "category": )" +
        std::to_string(range->category) + R"(, "payload": )" + payload + "}");
  return 0;
}

int pop(nvtxDomainHandle_t domain) {
  write(R"({"event": "pop", )" + place(domain) + "}");
  return 0;
}

int push_global(const nvtxEventAttributes_t* range) {
  return push(nullptr, range);
}

int pop_global() {
  return pop(nullptr);
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

extern "C" int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t get_export_table) {
  static std::atomic<int> times = 0;
  write(R"({"event": "initialise", "time": )" + std::to_string(++times) + "}");
  const auto* exported =
      static_cast<const NvtxExportTableCallbacks*>(get_export_table(NVTX_ETID_CALLBACKS));
  function_table domains{*exported, NVTX_CB_MODULE_CORE2};
  domains.set(NVTX_CBID_CORE2_DomainCreateA, &create_domain);
  domains.set(NVTX_CBID_CORE2_DomainRegisterStringA, &register_string);
  domains.set(NVTX_CBID_CORE2_DomainNameCategoryA, &name_category);
  domains.set(NVTX_CBID_CORE2_DomainRangePushEx, &push);
  domains.set(NVTX_CBID_CORE2_DomainRangePop, &pop);
  function_table global{*exported, NVTX_CB_MODULE_CORE};
  global.set(NVTX_CBID_CORE_RangePushEx, &push_global);
  global.set(NVTX_CBID_CORE_RangePop, &pop_global);
  return 1;
}
