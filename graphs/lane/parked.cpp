#include "graphs/lane/parked.hpp"

#include <iterator>
#include <mutex>
#include <utility>

namespace ssugraph::detail {
namespace {

struct parking {
  std::mutex mutex;
  std::list<parked_pipeline> pipelines;
};

/** Never destroyed: a lane with static lifetime may come later. */
parking& the_parking() {
  static parking& instance = *new parking;
  return instance;
}

bool is_over(const parked_pipeline& one) noexcept {
  if (one.over == nullptr) return false;
  const cudaError_t answer = cudaEventQuery(one.over.get());
  if (answer != cudaSuccess) cudaGetLastError();
  return answer != cudaErrorNotReady;
}

}  // namespace

void park(parking_ticket ticket) noexcept {
  if (cuda_is_inherited() || is_over(ticket.front())) return;
  parking& all = the_parking();
  const std::lock_guard lock{all.mutex};
  all.pipelines.splice(all.pipelines.end(), ticket);
}

void release_parked() noexcept {
  if (cuda_is_inherited()) return;  // they are the parent's, as is who holds the lock
  parking& all = the_parking();
  std::list<parked_pipeline> over;  // outlives the lock: a callable's end may call the library
  const std::lock_guard lock{all.mutex};
  for (auto one = all.pipelines.begin(); one != all.pipelines.end();) {
    const auto next = std::next(one);
    if (is_over(*one)) over.splice(over.end(), all.pipelines, one);
    one = next;
  }
}

}  // namespace ssugraph::detail
