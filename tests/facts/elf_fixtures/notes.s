# A .note.dlopen as systemd's ELF_DLOPEN_METADATA describes it.
	.section .note.dlopen, "a", @note
	.p2align 2
	.long 4, 2f - 1f, 0x407c0c0a
	.asciz "FDO"
1:	.asciz "[{\"soname\":[\"liblzma.so.5\"],\"feature\":\"lzma\",\"priority\":\"suggested\"}]"
2:	.p2align 2
	.text
	.globl function
	.type function, @function
function: ret
	.size function, 1
