# `cmake --install`: headers, both libraries, cajal.pc, the CMake package, the command and its pages.
set(exported cajal_static)
if(CAJAL_SHARED)
    list(APPEND exported cajal_shared)
endif()
install(TARGETS ${exported} EXPORT cajal)
install(DIRECTORY include/cajal DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/cajal)
install(EXPORT cajal NAMESPACE cajal:: FILE cajal-config.cmake DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cajal-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cajal-config-version.cmake DESTINATION ${package_folder})

list(JOIN cajal_dependencies ", " pc_requires)
# Relative to the file itself, so that `cmake --install --prefix` and moved folders work.
file(RELATIVE_PATH pc_prefix "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
configure_file(cmake/cajal.pc.in cajal.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cajal.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TARGET cajal_command)
    install(TARGETS cajal_command)
endif()
if(TARGET cajal-fetch)
    install(TARGETS cajal-fetch RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/cajal)
endif()
if(TARGET cajal-manual)
    foreach(section 1 5)
        install(DIRECTORY ${PROJECT_BINARY_DIR}/manual/man${section} DESTINATION ${CMAKE_INSTALL_MANDIR})
    endforeach()
endif()
install(FILES cli/completion/cajal.bash OPTIONAL RENAME cajal
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
file(GLOB recipes CONFIGURE_DEPENDS recipes/*.yaml)
install(FILES ${recipes} DESTINATION ${CMAKE_INSTALL_DATADIR}/cajal/recipes)
