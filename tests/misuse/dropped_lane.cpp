// A lane that is dropped has been recorded for nothing.
// GNU: ignoring return value of .*make_lane
// Clang: ignoring return value of function declared with 'nodiscard'
#include <ssugraph/lane.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/stream.hpp>

void record(const ssugraph::pipeline& pipeline, ssugraph::stream_handle stream) {
#ifdef SSUGRAPH_MISUSE
  pipeline.make_lane(stream);
#else
  const ssugraph::lane lane = pipeline.make_lane(stream);
#endif
}
