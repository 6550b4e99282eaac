/* Opens libraries as told (flags and name, in turn), then says what every relocation of every object ended at.

   opened | the message of dlerror()      a line for each load
   = SYMBOL <tab> FROM <tab> TO           a word, GOT entry or PLT slot, or the module of a TLS variable
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dl_phdr_info all[64];
static size_t count;

static int note(struct dl_phdr_info *info, size_t size, void *data)
{
    if (count < 64)
        all[count++] = *info;
    return 0;
}

static const char *owner(size_t address)
{
    for (size_t i = 0; i < count; i++)
        for (int j = 0; j < all[i].dlpi_phnum; j++) {
            const ElfW(Phdr) *segment = &all[i].dlpi_phdr[j];
            size_t start = all[i].dlpi_addr + segment->p_vaddr;
            if (segment->p_type == PT_LOAD && address >= start && address < start + segment->p_memsz)
                return all[i].dlpi_name;
        }
    return 0;
}

static const char *module(size_t id)
{
    for (size_t i = 0; i < count; i++)
        if (id && all[i].dlpi_tls_modid == id)
            return all[i].dlpi_name;
    return 0;
}

static void show(struct dl_phdr_info *info, ElfW(Rela) *table, size_t size, ElfW(Sym) *symbols, const char *names)
{
    for (; size >= sizeof *table; table++, size -= sizeof *table) {
        size_t value = *(size_t *)(info->dlpi_addr + table->r_offset), type = ELF64_R_TYPE(table->r_info);
        const ElfW(Sym) *symbol = symbols + ELF64_R_SYM(table->r_info);
        const char *target = 0;
        if (type == R_X86_64_64 || type == R_X86_64_GLOB_DAT || type == R_X86_64_JUMP_SLOT)
            target = owner(value);
        else if (type == R_X86_64_DTPMOD64)
            target = module(value);
        if (target && ELF64_R_SYM(table->r_info))
            printf("= %s\t%s\t%s\n", names + symbol->st_name, info->dlpi_name, target);
    }
}

static void relocations(struct dl_phdr_info *info)
{
    size_t entry[40] = {0};
    for (int j = 0; j < info->dlpi_phnum; j++)
        if (info->dlpi_phdr[j].p_type == PT_DYNAMIC)
            for (ElfW(Dyn) *d = (void *)(info->dlpi_addr + info->dlpi_phdr[j].p_vaddr); d->d_tag; d++)
                if (d->d_tag < 40)
                    entry[d->d_tag] = d->d_un.d_val;
    if (!entry[DT_SYMTAB])
        return;
    ElfW(Sym) *symbols = (void *)(info->dlpi_addr + entry[DT_SYMTAB]);
    const char *names = (void *)(info->dlpi_addr + entry[DT_STRTAB]);
    show(info, (void *)(info->dlpi_addr + entry[DT_RELA]), entry[DT_RELASZ], symbols, names);
    show(info, (void *)(info->dlpi_addr + entry[DT_JMPREL]), entry[DT_PLTRELSZ], symbols, names);
}

int main(int argc, char **words)
{
    setvbuf(stdout, 0, _IONBF, 0);
    for (int i = 1; i + 1 < argc; i += 2) {
        void *opened = dlopen(words[i + 1], (int)strtol(words[i], 0, 10));
        puts(opened ? "opened" : dlerror());
    }
    dl_iterate_phdr(note, 0);
    for (size_t i = 0; i < count; i++)
        relocations(&all[i]);
    return 0;
}
