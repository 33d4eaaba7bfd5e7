#include "lib/ops/ssu/backends/triton/selection.hpp"

#include "lib/ops/ssu/backends/triton/policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

/** Which images serve a problem, and by which tile. Needs no GPU and loads nothing. */
namespace ssugraph::detail::triton {
namespace {

constexpr int hopper = 90;
constexpr int blackwell = 100;

ssu_problem model_problem() {
  ssu_problem problem;
  problem.nheads = 128;
  problem.dim = 64;
  problem.dstate = 128;
  problem.ngroups = 8;
  problem.state_dtype = dtype::bfloat16;
  problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype = dtype::bfloat16;
  problem.tied = true;
  problem.device = {0};
  return problem;
}

/** The image that serves model_problem() best. */
triton_image model_image() {
  return {.architecture = hopper,
          .state = dtype::bfloat16,
          .rounding = false,
          .io = dtype::bfloat16,
          .dstate = 128,
          .tied = true,
          .many = false,
          .vector = true,
          .rows = 16,
          .warps = 4,
          .shared_bytes = 0,
          .offset = 0,
          .size = 0};
}

triton_image image_for_anything() {
  triton_image image = model_image();
  image.io.reset();
  image.dstate = 256;
  image.many = true;
  image.vector = false;
  return image;
}

std::vector<std::string> selected(const std::vector<triton_image>& images,
                                  const ssu_problem& problem) {
  std::vector<std::string> names;
  for (const triton_image* image : select_images(images, problem, hopper)) {
    names.push_back(std::to_string(image - images.data()) + ":" + tile_name(*image));
  }
  return names;
}

using names = std::vector<std::string>;

/** None for `any`. */
std::optional<dtype> dtype_called(const std::string& name) {
  for (const dtype type : {dtype::float32, dtype::float16, dtype::bfloat16})
    if (name == to_string(type)) return type;
  return std::nullopt;
}

/** The state of a manifest without what says that it is rounded. */
std::string unrounded(const std::string& state) {
  return state.starts_with("rounded_") ? state.substr(8) : state;
}

const triton_image* find_named(const std::vector<const triton_image*>& images,
                               const std::string& tile) {
  const auto found =
      std::ranges::find(images, tile, [](const auto* one) { return tile_name(*one); });
  return found == images.end() ? nullptr : *found;
}

TEST(triton_selection, images_run_on_their_architecture) {
  EXPECT_TRUE(runs_on(80, 80));
  EXPECT_TRUE(runs_on(80, 86));
  EXPECT_TRUE(runs_on(80, 89));
  EXPECT_FALSE(runs_on(86, 80));
  EXPECT_FALSE(runs_on(80, 90));
  EXPECT_TRUE(runs_on(90, 90));
  EXPECT_FALSE(runs_on(90, 100));
  EXPECT_FALSE(runs_on(100, 103));
}

TEST(triton_selection, offers_the_tiles_of_the_best_kind_in_order) {
  std::vector<triton_image> images{image_for_anything(), model_image(), model_image()};
  images[2].rows = 8;
  EXPECT_EQ(selected(images, model_problem()), (names{"1:16x4", "2:8x4"}));
}

TEST(triton_selection, passes_over_what_the_problem_rules_out) {
  const std::vector<triton_image> images{model_image(), image_for_anything()};
  ssu_problem problem = model_problem();
  problem.misalignment = "B is not 16-byte aligned";
  EXPECT_EQ(selected(images, problem), names{"1:16x4"});
  problem = model_problem();
  problem.layouts[static_cast<std::size_t>(ssu_tensor::x)].strides[2] = std::int64_t{1} << 23;
  EXPECT_EQ(selected(images, problem), names{"1:16x4"});
  problem = model_problem();
  problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype = dtype::float32;
  EXPECT_EQ(selected(images, problem), names{"1:16x4"});
  problem = model_problem();
  problem.has_cu_seqlens = true;
  EXPECT_EQ(selected(images, problem), names{"1:16x4"});
  problem = model_problem();
  problem.dstate = 200;
  EXPECT_EQ(selected(images, problem), names{"1:16x4"});
}

TEST(triton_selection, refuses_other_arithmetic) {
  const std::vector<triton_image> images{model_image(), image_for_anything()};
  ssu_problem problem = model_problem();
  problem.tied = false;
  EXPECT_EQ(selected(images, problem), names{});
  problem = model_problem();
  problem.stochastic_rounding = true;
  EXPECT_EQ(selected(images, problem), names{});
  problem = model_problem();
  problem.state_dtype = dtype::float16;
  EXPECT_EQ(selected(images, problem), names{});
  EXPECT_TRUE(select_images(images, model_problem(), blackwell).empty());
}

TEST(triton_selection, prefers_the_smallest_dstate) {
  std::vector<triton_image> images{model_image(), model_image(), model_image()};
  images[0].dstate = 256;
  images[2].dstate = 64;
  EXPECT_EQ(selected(images, model_problem()), names{"1:16x4"});
}

/** Everything that the default manifest compiles for `hopper`, in its order. */
std::vector<triton_image> images_of_default_manifest() {
  std::ifstream manifest{SSUGRAPH_SOURCE_DIR "/lib/ops/ssu/backends/triton/manifest.txt"};
  std::vector<triton_image> images;
  for (std::string line; std::getline(manifest, line);) {
    std::istringstream words{line.substr(0, line.find('#'))};
    std::map<std::string, std::vector<std::string>> axes;
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      std::istringstream values{word.substr(equals + 1)};
      for (std::string value; std::getline(values, value, ',');)
        axes[word.substr(0, equals)].push_back(value);
    }
    for (const std::string& state : axes["state"])
      for (const std::string& io : axes["io"])
        for (const std::string& step : axes["step"])
          for (const std::string& tokens : axes["tokens"])
            for (const std::string& tile : axes["tile"]) {
              const std::size_t times = tile.find('x');
              images.push_back({.architecture = hopper,
                                .state = *dtype_called(unrounded(state)),
                                .rounding = unrounded(state) != state,
                                .io = dtype_called(io),
                                .dstate = std::stoi(axes["dstate"].front()),
                                .tied = step == "tied",
                                .many = tokens == "many",
                                .vector = axes["access"].front() == "vector",
                                .rows = std::stoi(tile.substr(0, times)),
                                .warps = std::stoi(tile.substr(times + 1)),
                                .shared_bytes = 0,
                                .offset = 0,
                                .size = 0});
            }
  }
  return images;
}

/** One of each kind that the default manifest tells apart, with aligned tensors. */
std::vector<ssu_problem> problems_of_default_manifest() {
  std::vector<ssu_problem> problems;
  for (const char* state :
       {"float32", "float16", "bfloat16", "rounded_float16", "rounded_bfloat16"})
    for (const dtype io : {dtype::float32, dtype::float16, dtype::bfloat16})
      for (const std::int64_t dstate : {16, 64, 128, 256})
        for (const bool tied : {true, false})
          for (const bool many : {true, false}) {
            ssu_problem problem = model_problem();
            problem.state_dtype = *dtype_called(unrounded(state));
            problem.stochastic_rounding = unrounded(state) != state;
            problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype = io;
            problem.dstate = dstate;
            problem.tied = tied;
            problem.has_cu_seqlens = many;
            problems.push_back(problem);
          }
  return problems;
}

/** By the names of its tiles a plan for vector access cannot be told from one for any layout. */
TEST(triton_selection, an_image_says_itself_what_it_reaches) {
  const std::vector<triton_image> images = images_of_default_manifest();
  ASSERT_EQ(images.size(), 287u);
  int problems_with_shared_names = 0;
  for (const ssu_problem& aligned : problems_of_default_manifest()) {
    ssu_problem misaligned = aligned;
    misaligned.misalignment = "B is not 16-byte aligned";
    const auto of_aligned = select_images(images, aligned, hopper);
    const auto of_misaligned = select_images(images, misaligned, hopper);
    ASSERT_FALSE(of_aligned.empty() || of_misaligned.empty()) << to_string(aligned);
    for (const triton_image* launched : of_aligned) {
      EXPECT_EQ(why_no_access(*launched, aligned), "");
      EXPECT_EQ(why_no_access(*launched, misaligned),
                launched->vector ? misaligned.misalignment : "")
          << tile_name(*launched) << " of " << to_string(aligned);
    }
    for (const triton_image* launched : of_misaligned) {
      EXPECT_EQ(why_no_access(*launched, misaligned), "");
      EXPECT_EQ(why_no_access(*launched, aligned), "")
          << tile_name(*launched) << " of " << to_string(aligned);
    }
    const auto shares_name = [&](const triton_image* image) {
      return image->vector && find_named(of_misaligned, tile_name(*image)) != nullptr;
    };
    if (std::ranges::any_of(of_aligned, shares_name)) ++problems_with_shared_names;
  }
  EXPECT_GT(problems_with_shared_names, 0) << "names tell kinds apart, so this test shows nothing";
}

/** An entry of another shape must not win because its number of programs is nearer. */
TEST(triton_selection, a_measured_shape_takes_its_own_entries) {
  struct model {
    std::int64_t nheads, dim, dstate;
    dtype state;
    bool rounding;
  };
  const model models[]{
      {128, 64, 128, dtype::bfloat16, false}, {80, 64, 128, dtype::float16, true},
      {128, 80, 128, dtype::bfloat16, true},  {80, 64, 64, dtype::bfloat16, true},
      {128, 64, 256, dtype::bfloat16, false}, {32, 128, 256, dtype::bfloat16, true},
      {64, 64, 128, dtype::float32, false},   {80, 64, 64, dtype::float32, false}};
  std::vector<triton_image> images;
  for (const tile_entry& entry : tile_table) {
    images.push_back(model_image());
    images.back().rows = entry.rows;
    images.back().warps = entry.warps;
  }
  std::vector<const triton_image*> tiles;
  for (const triton_image& image : images)
    tiles.push_back(&image);
  for (const auto& [nheads, dim, dstate, state, rounding] : models) {
    ssu_problem problem = model_problem();
    problem.nheads = nheads;
    problem.dim = dim;
    problem.dstate = dstate;
    problem.state_dtype = state;
    problem.stochastic_rounding = rounding;
    for (std::int64_t sequences = 1; sequences <= 512; ++sequences) {
      const std::string reason = choose_tile(tiles, problem, sequences).reason;
      const std::string shape = std::to_string(dim) + "x" + std::to_string(dstate) + " ";
      ASSERT_NE(reason.find(shape + (rounding ? "rounded" : "")), std::string::npos)
          << sequences << " sequences of " << shape << ": " << reason;
    }
  }
}

TEST(triton_selection, blackwell_has_its_own_tile) {
  const triton_image common = model_image();
  triton_image large = model_image();
  large.rows = 32;
  large.warps = 8;
  const std::vector<const triton_image*> tiles{&common, &large};
  constexpr std::int64_t many_sequences = 64;
  ssu_problem problem = model_problem();
  problem.state_dtype = dtype::float32;
  EXPECT_EQ(choose_tile(tiles, problem, many_sequences).image, &common);
  problem.is_blackwell = true;
  EXPECT_EQ(choose_tile(tiles, problem, many_sequences).image, &large);
  problem.dstate = 64;
  EXPECT_EQ(choose_tile(tiles, problem, many_sequences).image, &common);
}

TEST(triton_selection, takes_a_tile_outside_of_the_table_where_there_is_no_other) {
  triton_image odd = model_image();
  odd.rows = 1024;
  const tile_choice choice = choose_tile({&odd}, model_problem(), 1);
  EXPECT_EQ(choice.image, &odd);
  EXPECT_FALSE(choice.reason.empty());
}

TEST(triton_selection, says_what_would_serve) {
  ssu_problem problem = model_problem();
  EXPECT_EQ(manifest_line(problem),
            "state=bfloat16 io=bfloat16 dstate=128 step=tied tokens=one access=vector tile=8x4");
  problem.stochastic_rounding = true;
  problem.state_dtype = dtype::float16;
  problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype = dtype::float32;
  problem.dstate = 9;
  problem.tied = false;
  problem.has_cu_seqlens = true;
  problem.misalignment = "dstate is no multiple of 8";
  EXPECT_EQ(manifest_line(problem),
            "state=rounded_float16 io=float32 dstate=16 step=untied tokens=many access=any "
            "tile=64x4");
}

TEST(triton_images, of_this_build_are_few_and_apart) {
  std::map<int, int> count;
  std::size_t end = 0;
  for (const triton_image& image : triton_images()) {
    ++count[image.architecture];
    EXPECT_GE(image.offset, end);
    EXPECT_GT(image.size, 0u);
    EXPECT_EQ(fatbin_of(image)[0], std::byte{0x50}) << "a fat binary starts with 50 ed 55 ba";
    end = image.offset + image.size;
  }
  ASSERT_FALSE(count.empty());
  for (const auto& [architecture, images] : count) {
    EXPECT_LE(images, 400) << "sm_" << architecture;
  }
}

}  // namespace
}  // namespace ssugraph::detail::triton
