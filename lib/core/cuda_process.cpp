#include "lib/core/cuda_process.hpp"

#include <ssugraph/error.hpp>

#include <cudaTypedefs.h>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string_view>

namespace ssugraph::detail {
namespace {

using count_devices = PFN_cuDeviceGetCount_v2000;

/** Keeps the name of the first object that is the driver. */
int keep_driver(dl_phdr_info* object, std::size_t, void* name) {
  if (std::string_view{object->dlpi_name}.find("/libcuda.so") == std::string_view::npos) return 0;
  *static_cast<const char**>(name) = object->dlpi_name;
  return 1;
}

/** A function of the driver, if that is loaded; null: nobody can have used CUDA. The names of what
 *  is loaded are gone through, for dlopen would look for the file each time. */
count_devices find_in_driver() noexcept {
  const char* name = nullptr;
  dl_iterate_phdr(keep_driver, static_cast<void*>(&name));
  if (name == nullptr) return nullptr;
  void* driver = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
  if (driver == nullptr) return nullptr;
  const auto function = reinterpret_cast<count_devices>(dlsym(driver, "cuDeviceGetCount"));
  dlclose(driver);  // whoever loaded it keeps it
  return function;
}

cudaError_t ask_for_devices() noexcept {
  const bool was_loaded = find_in_driver() != nullptr;
  int devices = 0;
  cudaError_t answer = cudaGetDeviceCount(&devices);
  if (answer != cudaSuccess) cudaGetLastError();
  // A runtime that the parent used still knows its devices; the driver does not.
  const count_devices count = find_in_driver();
  if (answer == cudaSuccess && count != nullptr && count(&devices) == CUDA_ERROR_NOT_INITIALIZED)
    answer = cudaErrorInitializationError;
  // The driver's answer in a child whose parent used CUDA unseen by us.
  if (answer == cudaErrorInitializationError && was_loaded) cuda_process::inherited = true;
  if (answer == cudaSuccess) static_cast<void>(cuda_is_in_use());  // from here on, forks are noted
  return answer == cudaSuccess && devices == 0 ? cudaErrorNoDevice : answer;
}

/** Whether this process can read at `address`. */
bool is_readable(const void* address) noexcept {
  char byte = 0;
  const iovec to{&byte, 1};
  const iovec from{const_cast<void*>(address), 1};
  return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1 || errno != EFAULT;
}

}  // namespace

cudaError_t begin_cuda() noexcept {
  static const cudaError_t answer = ask_for_devices();
  return answer;
}

bool cuda_is_in_use() noexcept {
  static constinit std::atomic<bool> known = false;
  if (known.load(std::memory_order_relaxed)) return true;
  const count_devices count = find_in_driver();
  int devices = 0;
  if (count == nullptr || count(&devices) != CUDA_SUCCESS) return false;
  const auto in_child = [] { cuda_process::inherited = true; };
  if (pthread_atfork(nullptr, nullptr, in_child) == 0) known = true;
  return true;
}

void cuda_process::refuse_inherited() {
  throw invalid_state{"CUDA", "was used by the parent of this process before the fork",
                      "spawn or exec processes that use it, or fork before its first use"};
}

void check_not_of_parent(const void* address) {
  if (cuda_is_inherited() && address != nullptr && !is_readable(address))
    cuda_process::refuse_inherited();
}

}  // namespace ssugraph::detail
