#include "tests/golden/safetensors.hpp"

#include "tests/support/float_format.hpp"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace ssugraph::test {
namespace {

dtype dtype_named(const std::string& name) {
  static const std::map<std::string, dtype> dtypes{{"F32", dtype::float32},
                                                   {"F16", dtype::float16},
                                                   {"BF16", dtype::bfloat16},
                                                   {"I32", dtype::int32},
                                                   {"I64", dtype::int64}};
  return dtypes.at(name);
}

}  // namespace

safetensors_file::safetensors_file(const std::filesystem::path& path) : path_{path} {
  std::ifstream stream{path, std::ios::binary};
  content_.assign(std::istreambuf_iterator<char>{stream}, {});
  std::uint64_t header_size = 0;
  const auto malformed = [&](const std::string& why) {
    return std::runtime_error{path.string() + ": " + why};
  };
  if (content_.size() < sizeof header_size) throw malformed("no header length");
  std::memcpy(&header_size, content_.data(), sizeof header_size);
  if (header_size > content_.size() - sizeof header_size) throw malformed("truncated header");
  const char* header = content_.data() + sizeof header_size;
  header_ = nlohmann::json::parse(header, header + header_size);
  const auto* bytes = reinterpret_cast<const std::byte*>(header + header_size);
  const std::size_t available = content_.size() - sizeof header_size - header_size;
  for (const auto& [name, entry] : header_.items()) {
    if (name == "__metadata__") continue;
    const std::size_t begin = entry.at("data_offsets").at(0);
    const std::size_t end = entry.at("data_offsets").at(1);
    if (begin > end || end > available) throw malformed("truncated tensor " + name);
    const std::span<const std::byte> stored{bytes + begin, end - begin};
    if (entry.at("dtype") == "F64") {
      doubles_[name] = stored;
    } else {
      tensors_[name] = {dtype_named(entry.at("dtype")), entry.at("shape"), stored};
    }
  }
}

const safetensors_file::tensor& safetensors_file::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw std::runtime_error{path_.string() + ": no tensor " + name};
  return found->second;
}

double safetensors_file::element(const std::string& name, std::size_t i) const {
  const auto found = doubles_.find(name);
  if (found == doubles_.end()) {
    const tensor& stored = at(name);
    const auto size = static_cast<std::size_t>(size_of(stored.dtype));
    return load(stored.bytes.subspan(i * size, size).data(), stored.dtype);
  }
  double value = 0;
  std::memcpy(&value, found->second.subspan(i * sizeof value, sizeof value).data(), sizeof value);
  return value;
}

std::string safetensors_file::metadata(const std::string& key) const {
  return header_.at("__metadata__").at(key);
}

}  // namespace ssugraph::test
