#include "tests/support/execution.hpp"

#include "tests/support/compare.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/dispatch.hpp>

#include <cstdio>
#include <ostream>

namespace ssugraph::test {
namespace {

execution eager(const std::string& name, const std::string& backend, const std::string& algorithm,
                place where) {
  const auto run = [backend, algorithm](const ssu_case& test, std::byte* base,
                                        stream_handle stream) {
    mamba_config config = test.config;
    config.backend = backend;
    config.algorithm = algorithm;
    ssu_dispatch dispatch{config};
    dispatch.selective_state_update(first_sequences(test.args_at(base), test.batch), stream);
  };
  return {name, where, [](const ssu_case& test) { return test.batch; }, run, backend};
}

/** `test` with the null block for every slot out of range. */
ssu_case with_slots_in_range(ssu_case test) {
  const ssu_args args = test.args_at(test.memory.data());
  for (const tensor_view& table : {args.state_batch_indices, args.dst_state_batch_indices}) {
    if (!table) continue;
    const tensor_view full = table.rank() == 2 ? table : table.with_unit_axis(1);
    for (std::int64_t i = 0; i < full.extent(0) * full.extent(1); ++i) {
      std::byte* address = address_of(full, i / full.extent(1), i % full.extent(1));
      const std::int64_t slot = load_index(address, table.dtype());
      if (slot >= 0 && slot < args.state.extent(0)) continue;
      store_index(address, table.dtype(), args.null_block_id);
    }
  }
  return test;
}

bool is_built_in(const std::string& backend) {
  try {
    const ssu_dispatch dispatch{{.backend = backend}};
    return true;
  } catch (const unsupported&) {
    return false;
  }
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const execution& how) {
  return stream << how.name;
}

execution reference_eager() {
  return eager("reference_eager", "reference", "auto", place::host);
}

execution native_eager() {
  return eager("native_eager", "native", "auto", place::device);
}

execution native_scalar_eager() {
  return eager("native_scalar_eager", "native", "scalar", place::device);
}

execution backend_eager(const std::string& backend, const std::string& algorithm) {
  const std::string suffix = algorithm == "auto" ? "" : "_" + algorithm;
  return by_backend(eager(backend + suffix + "_eager", backend, algorithm, place::device), backend);
}

execution by_backend(execution how, const std::string& backend) {
  how.backend = backend;
  how.may_refuse = true;
  how.trusts_slots = backend == "flashinfer";
  if (backend == "flashinfer") how.bits = rounding_bits::own_flushed;
  return how;
}

bool can_run(const execution& how) {
  return how.where == place::host || (has_cuda_device() && is_built_in(how.backend));
}

void refusals::print(const std::string& name) const {
  int refused = 0;
  for (const auto& [reason, count] : reasons_)
    refused += count;
  std::printf("%s: %d cases served, %d unsupported\n", name.c_str(), served_, refused);
  for (const auto& [reason, count] : reasons_)
    std::printf("  %4d  %s\n", count, reason.c_str());
}

arena run_on_copy(const ssu_case& test, const execution& how) {
  const placed_memory memory{how.where, test.memory};
  const placed_stream stream{how.where};
  how.run(test, memory.data(), stream.get());
  stream.wait();
  return memory.read_all();
}

outcome run_and_evaluate(const ssu_case& test, const execution& how) {
  outcome result{test.memory, run_on_copy(test, how), {}};
  const ssu_args args = test.args_at(result.before.data());
  result.expected = ssu_oracle(first_sequences(args, test.batch), test.config, test.seed());
  result.expected.state.bits = how.bits;
  const bool owns_a_row = !args.cu_seqlens;
  if (owns_a_row) {
    expect_zero_rows(result.expected, args.out, test.batch, how.sequences(test));
  }
  return result;
}

testing::AssertionResult agrees_with_float64(const ssu_case& test, const execution& how) {
  const outcome result = run_and_evaluate(test, how);
  return agrees(result.expected, {result.before.data(), result.before.size()},
                {result.after.data(), result.after.size()});
}

testing::AssertionResult agrees_or_refuses(const ssu_case& test, const execution& how,
                                           refusals& tally) {
  try {
    testing::AssertionResult result =
        agrees_with_float64(how.trusts_slots ? with_slots_in_range(test) : test, how);
    tally.served();
    return result;
  } catch (const unsupported& error) {
    if (!how.may_refuse) throw;
    tally.refused(error);
    return testing::AssertionSuccess();
  }
}

}  // namespace ssugraph::test
