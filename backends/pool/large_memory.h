// The memory of large answers. To touch a new page may cost the system more than to copy what is written to
// it, and a large answer is held more than once on its way.
#pragma once

#include <cstddef>

namespace proxyd {

// An answer of more bytes takes milliseconds to hand on: one in a pass of the loop.
inline constexpr std::size_t large_answer = 1048576;

// Of the whole process, before there are threads. A thread with a heap of its own would keep what its largest
// answers needed: return_memory() cannot give that back.
void share_one_heap();

// To be called before `bytes` of a large answer are written: lets the memory for it come in large pages,
// where the system has such. Does not keep it. What is freed in the whole process then stays for the next
// answer, until return_memory(). From any thread.
void expect_large_answer(std::size_t bytes);

// Whether one has been expected since the last call.
[[nodiscard]] bool large_answers_came();

// Gives what is free back to the system. Takes some milliseconds.
void return_memory();

}  // namespace proxyd
