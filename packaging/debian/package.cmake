string(TIMESTAMP package_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(package_maintainer "Maintainers of proxyd <proxyd@localhost>")
if(NOT "$ENV{DEBEMAIL}" STREQUAL "")
    set(package_maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(PROXYD_PACKAGE_MAINTAINER "${package_maintainer}" CACHE STRING "Name and address in the Debian package")
configure_file(debian/changelog.in debian/changelog @ONLY)

# The Debian package. /usr/sbin/proxyd is a link to the daemon, for use without Postfix; postinst gives it a name where
# master(8) looks for it.
set(daemon_directory lib/proxyd)
install(TARGETS proxyd DESTINATION ${daemon_directory} COMPONENT debian EXCLUDE_FROM_ALL)
file(CREATE_LINK ../${daemon_directory}/proxyd ${CMAKE_CURRENT_BINARY_DIR}/debian/proxyd SYMBOLIC)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/debian/proxyd DESTINATION sbin COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES completions/_proxyctl DESTINATION share/zsh/vendor-completions COMPONENT debian EXCLUDE_FROM_ALL)
proxyd_units(debian lib/systemd/system /usr/sbin EXCLUDE_FROM_ALL)

find_program(GZIP gzip REQUIRED)
add_custom_command(OUTPUT debian/changelog.gz
    COMMAND ${GZIP} -9nc debian/changelog > debian/changelog.gz DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/debian/changelog)
add_custom_target(debian_changelog ALL DEPENDS debian/changelog.gz)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/debian/changelog.gz debian/copyright DESTINATION share/doc/proxyd
        COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES debian/lintian-overrides DESTINATION share/lintian/overrides RENAME proxyd
        COMPONENT debian EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};proxyd;Unspecified;/;${CMAKE_BINARY_DIR};proxyd;debian;/")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/debian/compress_manuals.cmake)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME proxyd)
set(CPACK_PACKAGE_CONTACT "${PROXYD_PACKAGE_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Postfix table lookups over few shared database connections")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "proxyd takes the place of the proxymap service of Postfix. It answers
lookups in PostgreSQL, MySQL, MariaDB and SQLite tables over a small and
bounded number of database connections that all tables and all Postfix
processes share. A restart of the database costs no lookup, and a slow or
broken table harms no other.
.
Installing it changes nothing in a Postfix: see proxyctl(8) for how to
switch to it and back.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS postfix)
set(CPACK_DEBIAN_PACKAGE_ENHANCES postfix)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_CURRENT_SOURCE_DIR}/debian/preinst
    ${CMAKE_CURRENT_SOURCE_DIR}/debian/postinst
    ${CMAKE_CURRENT_SOURCE_DIR}/debian/prerm
    ${CMAKE_CURRENT_SOURCE_DIR}/debian/postrm)
include(CPack)
