// Memory for large answers. Touching a new page may cost the system more than copying the data written to it,
// and a large answer is held more than once on its way.
#pragma once

#include <cstddef>

namespace proxyd {

// A larger answer takes milliseconds to hand on: the loop hands on one in a pass. In bytes.
inline constexpr std::size_t large_answer = 1048576;

// Gives all threads of the process one heap; called before there are threads. A heap of a thread's own would
// keep the memory of its largest answers: return_memory() cannot release that.
void share_one_heap();

// Call it before `bytes` of a large answer are written: their memory then comes in large pages, where the
// system has them. It does not reserve the memory. Memory that the process frees then stays for the next
// answer, until return_memory(). May be called from any thread.
void expect_large_answer(std::size_t bytes);

// Whether expect_large_answer() was called since the last call.
[[nodiscard]] bool large_answers_came();

// Returns free memory to the system. Takes some milliseconds.
void return_memory();

}  // namespace proxyd
