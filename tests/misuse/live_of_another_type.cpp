// The live count of a caller's graph is a device int32.
// GNU: cannot convert 'const int64_t\*' .*'const int32_t\*'
// Clang: cannot initialize a parameter of type 'const std::int32_t \*'
#include <ssugraph/lane.hpp>
#include <ssugraph/stream.hpp>

void record(ssugraph::lane& lane, ssugraph::stream_handle stream,
            [[maybe_unused]] const std::int32_t* live, [[maybe_unused]] const std::int64_t* wide) {
#ifdef SSUGRAPH_MISUSE
  lane.record(8, wide, stream);
#else
  lane.record(8, live, stream);
#endif
}
