// Prints the example of proxyd.cf: every option, from its declaration, commented out with its default.
#include <cstdio>
#include <string>

#include "proxyd/config/options_manual.h"

int main() {
    return std::fputs(proxyd::options_as_example().c_str(), stdout) < 0 ? 1 : 0;
}
