#include "tests/golden/golden_case.hpp"

#include "tests/golden/safetensors.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/float_format.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>

namespace ssugraph::test {
namespace {

/** Lays the recorded buffers out in an arena, longer where more sequences need it. */
class golden_reader {
 public:
  golden_reader(const std::filesystem::path& path, std::int64_t extra_sequences)
      : file_{path}, meta_(nlohmann::json::parse(file_.metadata("case"))) {
    result_.test.name = meta_.at("name");
    count_sequences(extra_sequences);
    for (const auto& [name, member] : ssu_tensors) {
      if (views().contains(name)) grow_buffer(name, views().at(name));
    }
    for (auto& [name, buffer] : buffers_) {
      buffer.start = layout_.add(file_.at(name).dtype, {buffer.elements});
    }
    for (const auto& [name, member] : ssu_tensors) {
      if (views().contains(name)) result_.test.layout.*member = view_of(name, views().at(name));
    }
    result_.test.layout.dt_softplus = meta_.at("dt_softplus");
    result_.test.layout.null_block_id = meta_.at("null_block_id");
    fill();
  }

  golden_case take() { return std::move(result_); }

 private:
  struct buffer {
    std::int64_t elements = 0;
    tensor_view start;
  };

  const nlohmann::json& views() const { return meta_.at("views"); }

  std::int64_t extent(const char* view, std::size_t axis) const {
    return views().at(view).at("shape").at(axis);
  }

  void count_sequences(std::int64_t extra_sequences) {
    ssu_case& test = result_.test;
    const std::int64_t rows = extent("x", 0);
    test.batch = rows;
    if (views().contains("state_batch_indices")) test.batch = extent("state_batch_indices", 0);
    test.capacity = test.batch + extra_sequences;
    test.live_rows = rows;
    if (views().contains("num_accepted_tokens")) {
      test.max_seqlen = extent("state_batch_indices", 1);
    } else if (views().contains("cu_seqlens")) {
      test.max_seqlen = rows;
      test.layout.max_seqlen = rows;
    }
    for (const auto& row : meta_.at("null_rows"))
      result_.null_rows.insert(row.get<std::int64_t>());
  }

  /** The view's shape, with room for `capacity` sequences. */
  std::vector<std::int64_t> grown_shape(const std::string& name, const nlohmann::json& view) const {
    std::vector<std::int64_t> shape = view.at("shape");
    const ssu_case& test = result_.test;
    static const std::set<std::string> row_tensors{"x", "dt", "B", "C", "z", "out"};
    if (row_tensors.contains(name)) {
      shape[0] = std::max(shape[0], test.capacity * test.max_seqlen);
    } else if (name == "state" && !views().contains("state_batch_indices")) {
      shape[0] = std::max(shape[0], test.capacity);
    } else if (name == "cu_seqlens") {
      shape[0] = test.capacity + 1;
    } else if (name.ends_with("indices") || name == "num_accepted_tokens") {
      shape[0] = test.capacity;
    }
    return shape;
  }

  void grow_buffer(const std::string& name, const nlohmann::json& view) {
    const std::vector<std::int64_t> shape = grown_shape(name, view);
    const std::vector<std::int64_t> stride = view.at("stride");
    std::int64_t last = view.at("offset");
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      last += (shape[axis] - 1) * stride[axis];
    }
    const std::string buffer = view.at("buffer");
    const auto& bytes = file_.at(buffer).bytes;
    const std::int64_t stored = std::ssize(bytes) / size_of(file_.at(buffer).dtype);
    buffers_[buffer].elements = std::max({buffers_[buffer].elements, stored, last + 1});
  }

  tensor_view view_of(const std::string& name, const nlohmann::json& view) const {
    const std::string buffer = view.at("buffer");
    const dtype type = file_.at(buffer).dtype;
    const std::vector<std::int64_t> shape = grown_shape(name, view);
    const std::vector<std::int64_t> stride = view.at("stride");
    const std::int64_t offset = view.at("offset");
    const auto* start =
        static_cast<std::byte*>(buffers_.at(buffer).start.data()) + offset * size_of(type);
    return {start, type, std::span{shape}, std::span{stride}};
  }

  void copy_in(arena& memory, const std::string& buffer, const std::string& source) {
    const auto& bytes = file_.at(source).bytes;
    const auto at = reinterpret_cast<std::uintptr_t>(buffers_.at(buffer).start.data());
    std::memcpy(memory.data() + at, bytes.data(), bytes.size());
  }

  void fill() {
    result_.test.memory = arena{layout_.bytes()};
    for (const auto& [name, buffer] : buffers_)
      copy_in(result_.test.memory, name, name);
    result_.recorded = result_.test.memory;
    copy_in(result_.recorded, views().at("state").at("buffer"), "expected_state");
    copy_in(result_.recorded, views().at("out").at("buffer"), "expected_out");
  }

  safetensors_file file_;
  nlohmann::json meta_;
  std::map<std::string, buffer> buffers_;
  arena_layout layout_;
  golden_case result_;
};

/** Worst distance to the recorded elements: part of the largest magnitude, and ulps. */
tensor_error compare_with_recorded(const golden_case& golden, const outcome& result,
                                   const expected_tensor& tensor) {
  tensor_error error;
  const tensor_view& out = golden.test.layout.out;
  const auto row_of = [&](std::ptrdiff_t offset) {
    const auto begin = static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(out.data()));
    return (offset - begin) / size_of(out.dtype()) / out.stride(0);
  };
  double largest = 0;
  for (const expected_element& element : tensor.elements) {
    largest = std::max(largest, std::abs(element.value));
  }
  for (const expected_element& element : tensor.elements) {
    const auto offset = element.address - result.before.data();
    if (element.exact || (tensor.name == "out" && golden.null_rows.contains(row_of(offset)))) {
      continue;
    }
    const double recorded = load(golden.recorded.data() + offset, tensor.dtype);
    const double distance = std::abs(load(result.after.data() + offset, tensor.dtype) - recorded);
    if (largest > 0) error.of_largest = std::max(error.of_largest, distance / largest);
    if (distance <= relative_tolerance * largest) continue;
    const double ulps = distance / format_of(tensor.dtype).spacing(recorded);
    error.ulps = std::max(error.ulps, ulps);
    const double allowed = tensor.dtype == dtype::float32 ? 0 : 2;
    if (ulps > allowed) ++error.failures;
  }
  return error;
}

void print_errors(const std::string& what, const tensor_error& error) {
  std::printf("  %s %.1e of largest, %.2f ulp;", what.c_str(), error.of_largest, error.ulps);
}

void check_golden_case(const golden_case& golden, const execution& how) {
  const outcome result = run_and_evaluate(golden.test, how);
  std::printf("%s %-18s", how.name.c_str(), golden.test.name.c_str());
  for (const expected_tensor* tensor : {&result.expected.state, &result.expected.out}) {
    const tensor_error error = compare(*tensor, result.before.data(), result.after.data());
    const tensor_error distance = compare_with_recorded(golden, result, *tensor);
    print_errors(tensor->name, error);
    print_errors("recorded", distance);
    EXPECT_EQ(error.failures, 0) << golden.test.name << ": " << error.first_failure;
    EXPECT_EQ(distance.failures, 0)
        << golden.test.name << ": " << tensor->name << " is far from the recorded one";
  }
  std::printf("\n");
  EXPECT_TRUE(untouched(result.expected, {result.before.data(), result.before.size()},
                        {result.after.data(), result.after.size()}))
      << golden.test.name;
}

}  // namespace

golden_folder find_golden_folder() {
  return find_recorded("SSUGRAPH_GOLDEN_DIR", "golden");
}

std::vector<std::filesystem::path> golden_files() {
  return safetensors_in(find_golden_folder());
}

golden_case read_golden_case(const std::filesystem::path& path, std::int64_t extra_sequences) {
  return golden_reader{path, extra_sequences}.take();
}

nlohmann::json read_golden_random() {
  std::ifstream stream{find_golden_folder().path / "random.json"};
  return nlohmann::json::parse(stream);
}

void check_golden_cases(const execution& how, std::int64_t extra_sequences) {
  const auto files = golden_files();
  ASSERT_FALSE(files.empty()) << "no recorded case in " << find_golden_folder().path;
  if (!can_run(how)) GTEST_SKIP() << "no CUDA device, or no such backend in this build";
  refusals tally;
  for (const auto& path : files) {
    try {
      check_golden_case(read_golden_case(path, extra_sequences), how);
      tally.served();
    } catch (const unsupported& error) {
      if (!how.may_refuse) throw;
      tally.refused(error);
    }
  }
  if (how.may_refuse) tally.print(how.name);
  EXPECT_GT(tally.served_count(), 0);
}

}  // namespace ssugraph::test
