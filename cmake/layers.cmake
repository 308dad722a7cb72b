# proxyd_layer(NAME HAS FOLDER_OR_FILE... [SOURCES FILE...] USES LIBRARY...)
#
# A layer of the program: a static library with an include folder of its own, in which nothing stands but the layer's
# own folders, as links. Includes are written from the top of the project ("backends/pool/pool.h"), so a file can
# include what its layer has and what the layers that it uses have, and nothing else: a forbidden include does not
# compile. HAS is relative to the top of the project, SOURCES to the folder of the CMakeLists.txt; without SOURCES the
# layer has headers alone.
function(proxyd_layer name)
    cmake_parse_arguments(PARSE_ARGV 1 layer "" "" "HAS;SOURCES;USES")
    set(includes ${PROJECT_BINARY_DIR}/include/${name})
    file(REMOVE_RECURSE ${includes})
    foreach(entry ${layer_HAS})
        get_filename_component(folder ${includes}/${entry} DIRECTORY)
        file(MAKE_DIRECTORY ${folder})
        file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${entry} ${includes}/${entry} SYMBOLIC)
    endforeach()
    if(layer_SOURCES)
        add_library(${name} STATIC ${layer_SOURCES})
        set(kind PUBLIC)
        set_target_properties(${name} PROPERTIES UNITY_BUILD ${PROXYD_UNITY} UNITY_BUILD_BATCH_SIZE 12)
        if(PROXYD_FUZZ)  # the fuzzer follows what the layer does
            target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link)
        endif()
    else()
        add_library(${name} INTERFACE)
        set(kind INTERFACE)
    endif()
    target_include_directories(${name} ${kind} ${includes})
    target_link_libraries(${name} ${kind} ${layer_USES})
endfunction()
