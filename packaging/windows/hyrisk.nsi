; Installs HyRisk Desktop for one user, without administrator's rights. build.py gives the names VERSION, NUMBERS, SOURCE,
; ICON, LICENSE, TARGET and KILOBYTES.
Unicode true
SetCompressor /SOLID lzma
!include "MUI2.nsh"
!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\HyRisk Desktop"
!define TYPE "HyRiskDesktop.dicom"

Name "HyRisk Desktop ${VERSION}"
OutFile "${TARGET}"
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\HyRisk Desktop"
InstallDirRegKey HKCU "${KEY}" "InstallLocation"
VIProductVersion "${NUMBERS}"
VIAddVersionKey "ProductName" "HyRisk Desktop"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "Installs HyRisk Desktop (research use only)"
VIAddVersionKey "LegalCopyright" "Apache-2.0"

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_FINISHPAGE_RUN "$INSTDIR\HyRisk Desktop.exe"
!insertmacro MUI_PAGE_LICENSE "${LICENSE}"
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "German"
!insertmacro MUI_LANGUAGE "SimpChinese"

; Only what the installer laid there goes: the folder may be one that the user chose and keeps other things in.
!macro RemoveProgram
  RMDir /r "$INSTDIR\_internal"
  Delete "$INSTDIR\hyrisk.exe"
  Delete "$INSTDIR\HyRisk Desktop.exe"
!macroend

Section
  ; A library that an older version brought must not lie beside the new one's.
  !insertmacro RemoveProgram
  SetOutPath "$INSTDIR"
  File /r "${SOURCE}\*.*"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  CreateShortcut "$SMPROGRAMS\HyRisk Desktop.lnk" "$INSTDIR\HyRisk Desktop.exe"
  WriteRegStr HKCU "${KEY}" "DisplayName" "HyRisk Desktop"
  WriteRegStr HKCU "${KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${KEY}" "DisplayIcon" "$INSTDIR\HyRisk Desktop.exe"
  WriteRegStr HKCU "${KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${KEY}" "EstimatedSize" ${KILOBYTES}
  WriteRegDWORD HKCU "${KEY}" "NoModify" 1
  WriteRegDWORD HKCU "${KEY}" "NoRepair" 1
  ; "Open with" for DICOM files; what opens them by default stays the user's choice.
  WriteRegStr HKCU "Software\Classes\${TYPE}" "" "DICOM image"
  WriteRegStr HKCU "Software\Classes\${TYPE}\shell\open\command" "" '"$INSTDIR\HyRisk Desktop.exe" gui "%1"'
  WriteRegStr HKCU "Software\Classes\.dcm\OpenWithProgids" "${TYPE}" ""
  WriteRegStr HKCU "Software\Classes\.dicom\OpenWithProgids" "${TYPE}" ""
SectionEnd

Section "Uninstall"
  ; Reads, models, settings and logs lie elsewhere and stay.
  !insertmacro RemoveProgram
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\HyRisk Desktop.lnk"
  DeleteRegKey HKCU "${KEY}"
  DeleteRegKey HKCU "Software\Classes\${TYPE}"
  DeleteRegValue HKCU "Software\Classes\.dcm\OpenWithProgids" "${TYPE}"
  DeleteRegValue HKCU "Software\Classes\.dicom\OpenWithProgids" "${TYPE}"
SectionEnd
