# What distributions build network programs with, where CXXFLAGS say nothing of it. How they are linked stands with
# the programs.
if(NOT CMAKE_CXX_FLAGS MATCHES "_FORTIFY_SOURCE")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(NOT CMAKE_CXX_FLAGS MATCHES "-f(no-)?stack-protector")
    add_compile_options(-fstack-protector-strong)
endif()
if(NOT CMAKE_CXX_FLAGS MATCHES "-f(no-)?(pie|PIE|pic|PIC)")
    add_compile_options(-fPIE)
    add_link_options(-pie)
endif()
