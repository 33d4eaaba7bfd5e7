// A pipeline comes from a builder, never empty.
// GNU: no matching function for call to 'ssugraph::pipeline::pipeline
// Clang: no matching constructor for initialization of 'ssugraph::pipeline'
#include <ssugraph/pipeline.hpp>
#include <ssugraph/pipeline_builder.hpp>

ssugraph::pipeline make([[maybe_unused]] const ssugraph::pipeline_builder& builder) {
#ifdef SSUGRAPH_MISUSE
  return ssugraph::pipeline{};
#else
  return builder.build();
#endif
}
