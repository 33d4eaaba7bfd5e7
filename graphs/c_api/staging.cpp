#include "graphs/c_api/handles.hpp"
#include "graphs/c_api/status.hpp"
#include "graphs/c_api/tensors.hpp"
#include "graphs/c_api/values.hpp"

#include <string>

using namespace ssugraph;
using namespace ssugraph::c_api;

ssugraph_status ssugraph_staging_ring_create(size_t bytes, size_t depth, int32_t device_ordinal,
                                             ssugraph_staging_ring** ring) {
  return guarded([&] {
    hand_out("ring", ring, [&] {
      if (device_ordinal < device::host_ordinal) {
        throw invalid_argument{"device", "a CUDA ordinal, or -1 for the host",
                               std::to_string(device_ordinal)};
      }
      return std::make_shared<ring_object>(bytes, depth, device{device_ordinal});
    });
  });
}

ssugraph_status ssugraph_staging_ring_destroy(ssugraph_staging_ring* ring) {
  return guarded([&] { destroy(ring); });
}

ssugraph_status ssugraph_staging_ring_begin(ssugraph_staging_ring* ring) {
  return guarded([&] {
    const auto visit = visit_of(ring);
    visit->begin();
  });
}

ssugraph_status ssugraph_staging_ring_take(ssugraph_staging_ring* ring, const DLTensor* destination,
                                           int64_t rows, void** memory, size_t* count) {
  return guarded([&] {
    const auto visit = visit_of(ring);
    void*& to = output("memory", memory);
    const tensor_view view = view_of("destination", destination, index_dtypes);
    const auto hand_over = [&](auto span) {
      to = span.data();
      if (count != nullptr) *count = span.size();
    };
    if (view.dtype() == dtype::int64) {
      hand_over(visit->take<std::int64_t>(view, rows));
    } else {
      hand_over(visit->take<std::int32_t>(view, rows));
    }
  });
}

ssugraph_status ssugraph_staging_ring_submit(ssugraph_staging_ring* ring, ssugraph_stream stream) {
  return guarded([&] {
    const auto visit = visit_of(ring);
    visit->submit(stream);
  });
}
