#pragma once

#include <ssugraph/error.hpp>
#include <ssugraph/ssugraph.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

/** Values that cross the C API: strings, flags, arrays, structs that grow. */
namespace ssugraph::c_api {

/** A struct of the C API that starts with its size. */
template <class T>
concept versioned = std::is_trivially_copyable_v<T> && requires(T value) {
  { value.struct_size } -> std::same_as<std::size_t&>;
};

/** Copies what both sides know. Throws invalid_argument: a size that no version has, or something
 *  but zeros behind what is known here. */
void read_struct(const char* name, const void* given, void* known, std::size_t known_size);
/** The other way round: the rest of a larger struct becomes zero. Throws invalid_argument. */
void write_struct(const char* name, void* to, const void* known, std::size_t known_size);

/** `given`, as this version knows it; zero, which is the default, wherever it is shorter. */
template <versioned Struct>
[[nodiscard]] Struct required(const char* name, const Struct* given) {
  Struct known{};
  read_struct(name, given, &known, sizeof known);
  return known;
}
template <versioned Struct>
[[nodiscard]] Struct optional(const char* name, const Struct* given) {
  return given == nullptr ? Struct{} : required(name, given);
}

/** Throws invalid_argument unless 0 or 1. */
[[nodiscard]] bool flag(const char* name, std::int32_t value);
/** Throws invalid_argument unless an ssugraph_toggle. */
[[nodiscard]] std::optional<bool> toggle(const char* name, std::int32_t value);
/** Throws invalid_argument unless 0. */
void check_reserved(const char* name, std::int32_t value);
/** Throws invalid_argument unless 0..count-1. */
[[nodiscard]] std::uint8_t enumerator(const char* name, std::int32_t value, std::int32_t count);

/** Throws invalid_argument if null or not UTF-8. */
[[nodiscard]] std::string text(const char* name, const char* given);
[[nodiscard]] inline std::string text(const char* name, const char* given, const char* otherwise) {
  return given == nullptr ? otherwise : text(name, given);
}

template <class T>
[[nodiscard]] T& output(const char* name, T* pointer) {
  if (pointer == nullptr) throw invalid_argument{name, "where the result goes", "null"};
  return *pointer;
}

/** A C array. Throws invalid_argument if it is null and has elements. */
template <class T>
[[nodiscard]] std::span<T> array(const char* name, T* data, std::size_t count) {
  if (data != nullptr) return {data, count};
  if (count == 0) return {};
  throw invalid_argument{name, "an array of " + std::to_string(count), "null"};
}

/** Writes of what `make` gives as many elements as fit, and how many there are. Throws
 *  invalid_argument, before it calls `make`, if there is room for elements and no array. */
template <class T, class Make>
void write_array(const char* name, T* to, std::size_t capacity, std::size_t* count, Make&& make) {
  const std::span<T> room = array(name, to, capacity);
  const auto from = make();
  const std::size_t fits = std::min(room.size(), from.size());
  for (std::size_t i = 0; i < fits; ++i)
    room[i] = static_cast<T>(from[i]);
  if (count != nullptr) *count = from.size();
}

/** The same with as much text as fits with its closing zero, and the length of all of it. */
template <class Make>
void write_text(char* to, std::size_t capacity, std::size_t* length, Make&& make) {
  const std::span<char> room = array("text", to, capacity);
  const std::string from = make();
  if (!room.empty()) {
    const std::size_t fits = std::min(room.size() - 1, from.size());
    std::memcpy(room.data(), from.data(), fits);
    room[fits] = '\0';
  }
  if (length != nullptr) *length = from.size();
}

/** The null block of a struct. One of zeros has none, or slot 0 would lose its state without a
 * word. Throws invalid_argument. */
template <class Given>
std::int64_t null_block_of(const Given& given) {
  if (flag("has_null_block", given.has_null_block)) return given.null_block_id;
  if (given.null_block_id <= 0) return -1;
  throw invalid_argument{"has_null_block",
                         "1 beside null_block_id " + std::to_string(given.null_block_id), "0"};
}

}  // namespace ssugraph::c_api
