// SPDX-License-Identifier: BSD-2-Clause
//
// Simulation model of ECP5's DP16KD, after Lattice FPGA-TN-02204 (ECP5 and ECP5-5G Memory Usage
// Guide), and for the order of bits Yosys' techlibs/lattice/brams_map_16kd.v.
//
// Modes it covers: both ports on one clock, each 1, 2, 4, 9 or 18 bits wide; or 36 bits, where port
// A writes (with a byte enable on each of ADA[3:0]) and port B reads 36 bits ({DOB, DOA}) or fewer
// (DOB). 18 bits have byte enables on AD[1:0]. WRITEMODE NORMAL, WRITETHROUGH and READBEFOREWRITE.
// REGMODE NOREG and OUTREG, where OCE alone enables the register. RST with NOREG, synchronous.
// Initial contents. Bits that one port reads while the other writes them come out inverted, so that
// a design which uses them fails; so do bits that both ports write.
//
// Modes it rejects, with a message and the end of the simulation: two clocks, inverted clocks,
// RESETMODE ASYNC, RST with OUTREG or with a write, chip selects other than 0b000, a write through
// port B beside a port A of 36 bits, and for 36 bits read a REGMODE or an OCE that differs between
// the ports. The global reset is not modelled.

module DP16KD (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5,
        DIA4, DIA3, DIA2, DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CLKA, CEA, OCEA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
        DOA4, DOA3, DOA2, DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
        DIB4, DIB3, DIB2, DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CLKB, CEB, OCEB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
        DOB4, DOB3, DOB2, DOB1, DOB0
);
    parameter DATA_WIDTH_A = 18;
    parameter DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG";
    parameter REGMODE_B = "NOREG";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RESET_RELEASE = "SYNC";
    parameter CSDECODE_A = "0b000";
    parameter CSDECODE_B = "0b000";
    parameter WRITEMODE_A = "NORMAL";
    parameter WRITEMODE_B = "NORMAL";
    parameter CLKAMUX = "CLKA";
    parameter CLKBMUX = "CLKB";
    parameter WID = 0;
    parameter GSR = "ENABLED";
    parameter [319:0] INITVAL_00 = 320'b0;
    parameter [319:0] INITVAL_01 = 320'b0;
    parameter [319:0] INITVAL_02 = 320'b0;
    parameter [319:0] INITVAL_03 = 320'b0;
    parameter [319:0] INITVAL_04 = 320'b0;
    parameter [319:0] INITVAL_05 = 320'b0;
    parameter [319:0] INITVAL_06 = 320'b0;
    parameter [319:0] INITVAL_07 = 320'b0;
    parameter [319:0] INITVAL_08 = 320'b0;
    parameter [319:0] INITVAL_09 = 320'b0;
    parameter [319:0] INITVAL_0A = 320'b0;
    parameter [319:0] INITVAL_0B = 320'b0;
    parameter [319:0] INITVAL_0C = 320'b0;
    parameter [319:0] INITVAL_0D = 320'b0;
    parameter [319:0] INITVAL_0E = 320'b0;
    parameter [319:0] INITVAL_0F = 320'b0;
    parameter [319:0] INITVAL_10 = 320'b0;
    parameter [319:0] INITVAL_11 = 320'b0;
    parameter [319:0] INITVAL_12 = 320'b0;
    parameter [319:0] INITVAL_13 = 320'b0;
    parameter [319:0] INITVAL_14 = 320'b0;
    parameter [319:0] INITVAL_15 = 320'b0;
    parameter [319:0] INITVAL_16 = 320'b0;
    parameter [319:0] INITVAL_17 = 320'b0;
    parameter [319:0] INITVAL_18 = 320'b0;
    parameter [319:0] INITVAL_19 = 320'b0;
    parameter [319:0] INITVAL_1A = 320'b0;
    parameter [319:0] INITVAL_1B = 320'b0;
    parameter [319:0] INITVAL_1C = 320'b0;
    parameter [319:0] INITVAL_1D = 320'b0;
    parameter [319:0] INITVAL_1E = 320'b0;
    parameter [319:0] INITVAL_1F = 320'b0;
    parameter [319:0] INITVAL_20 = 320'b0;
    parameter [319:0] INITVAL_21 = 320'b0;
    parameter [319:0] INITVAL_22 = 320'b0;
    parameter [319:0] INITVAL_23 = 320'b0;
    parameter [319:0] INITVAL_24 = 320'b0;
    parameter [319:0] INITVAL_25 = 320'b0;
    parameter [319:0] INITVAL_26 = 320'b0;
    parameter [319:0] INITVAL_27 = 320'b0;
    parameter [319:0] INITVAL_28 = 320'b0;
    parameter [319:0] INITVAL_29 = 320'b0;
    parameter [319:0] INITVAL_2A = 320'b0;
    parameter [319:0] INITVAL_2B = 320'b0;
    parameter [319:0] INITVAL_2C = 320'b0;
    parameter [319:0] INITVAL_2D = 320'b0;
    parameter [319:0] INITVAL_2E = 320'b0;
    parameter [319:0] INITVAL_2F = 320'b0;
    parameter [319:0] INITVAL_30 = 320'b0;
    parameter [319:0] INITVAL_31 = 320'b0;
    parameter [319:0] INITVAL_32 = 320'b0;
    parameter [319:0] INITVAL_33 = 320'b0;
    parameter [319:0] INITVAL_34 = 320'b0;
    parameter [319:0] INITVAL_35 = 320'b0;
    parameter [319:0] INITVAL_36 = 320'b0;
    parameter [319:0] INITVAL_37 = 320'b0;
    parameter [319:0] INITVAL_38 = 320'b0;
    parameter [319:0] INITVAL_39 = 320'b0;
    parameter [319:0] INITVAL_3A = 320'b0;
    parameter [319:0] INITVAL_3B = 320'b0;
    parameter [319:0] INITVAL_3C = 320'b0;
    parameter [319:0] INITVAL_3D = 320'b0;
    parameter [319:0] INITVAL_3E = 320'b0;
    parameter [319:0] INITVAL_3F = 320'b0;

    wire [17:0] di_a = {
        DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6,
        DIA5, DIA4, DIA3, DIA2, DIA1, DIA0
    };
    wire [17:0] di_b = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6,
        DIB5, DIB4, DIB3, DIB2, DIB1, DIB0
    };
    wire [13:0] ad_a = {
        ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1,
        ADA0
    };
    wire [13:0] ad_b = {
        ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1,
        ADB0
    };
    wire [2:0] cs_a = {CSA2, CSA1, CSA0};
    wire [2:0] cs_b = {CSB2, CSB1, CSB0};

    // The memory as lines of 36 bits; each access is some bits of a line.
    reg [35:0] lines [0:511];

    // Where in its line an access begins: after lanes of 9 bits, within the lower 8 of a lane.
    function [5:0] place;
        input integer width;
        input [4:0] low;
        case (width)
            36: place = 0;
            18: place = low[4] ? 18 : 0;
            9: place = low[4:3] * 9;
            4: place = low[4:3] * 9 + low[2] * 4;
            2: place = low[4:3] * 9 + low[2:1] * 2;
            default: place = low[4:3] * 9 + low[2:0];
        endcase
    endfunction

    // The bits of a line that a write changes.
    function [35:0] mask;
        input integer width;
        input [4:0] low;
        case (width)
            36: mask = {{9{low[3]}}, {9{low[2]}}, {9{low[1]}}, {9{low[0]}}};
            18: mask = {18'b0, {9{low[1]}}, {9{low[0]}}} << place(width, low);
            default: mask = ((36'b1 << width) - 36'b1) << place(width, low);
        endcase
    endfunction

    localparam [35:0] ONES_A = {36{1'b1}} >> (36 - DATA_WIDTH_A);
    localparam [35:0] ONES_B = {36{1'b1}} >> (36 - DATA_WIDTH_B);

    wire same_line = ad_a[13:5] == ad_b[13:5];

    reg [35:0] word_a = 0, word_b = 0, output_a = 0, output_b = 0;
    reg clocked_a = 1'b0, clocked_b = 1'b0;
    reg read_a, read_b, write_a, write_b;
    reg [35:0] mask_a, mask_b, data_a, data_b, line_a, line_b;
    // A port that is not in use may have no clock.
    always @(posedge CLKA or posedge CLKB) begin
        write_a = CLKA && CEA && WEA;
        write_b = CLKB && CEB && WEB;
        read_a = CLKA && CEA && !(WEA && WRITEMODE_A == "NORMAL");
        read_b = CLKB && CEB && !(WEB && WRITEMODE_B == "NORMAL");
        mask_a = write_a ? mask(DATA_WIDTH_A, ad_a[4:0]) : 36'b0;
        mask_b = write_b ? mask(DATA_WIDTH_B, ad_b[4:0]) : 36'b0;
        data_a = DATA_WIDTH_A == 36 ? {di_b, di_a}
            : {18'b0, di_a} << place(DATA_WIDTH_A, ad_a[4:0]);
        data_b = {18'b0, di_b} << place(DATA_WIDTH_B, ad_b[4:0]);

        // What a port sees of its line: what it writes itself, if it shows that; inverted, what the
        // other port writes.
        line_a = lines[ad_a[13:5]];
        line_b = lines[ad_b[13:5]];
        if (WRITEMODE_A == "WRITETHROUGH") line_a = line_a & ~mask_a | data_a & mask_a;
        if (WRITEMODE_B == "WRITETHROUGH") line_b = line_b & ~mask_b | data_b & mask_b;
        if (same_line) begin
            line_a = line_a ^ mask_b;
            line_b = line_b ^ mask_a;
        end
        if (CLKA && OCEA) output_a <= word_a;
        if (CLKB && OCEB) output_b <= word_b;
        if (read_a) word_a <= line_a >> place(DATA_WIDTH_A, ad_a[4:0]) & ONES_A;
        if (read_b) word_b <= line_b >> place(DATA_WIDTH_B, ad_b[4:0]) & ONES_B;
        if (CLKA && RSTA) word_a <= 0;
        if (CLKB && RSTB) word_b <= 0;

        if (write_a && write_b && same_line)
            lines[ad_a[13:5]] <= (lines[ad_a[13:5]] & ~mask_a & ~mask_b)
                | (data_a & mask_a & ~mask_b) | (data_b & mask_b & ~mask_a)
                | (~lines[ad_a[13:5]] & mask_a & mask_b);
        else begin
            if (write_a) lines[ad_a[13:5]] <= lines[ad_a[13:5]] & ~mask_a | data_a & mask_a;
            if (write_b) lines[ad_b[13:5]] <= lines[ad_b[13:5]] & ~mask_b | data_b & mask_b;
        end

        clocked_a <= clocked_a | CLKA;
        clocked_b <= clocked_b | CLKB;
        if (CLKA != CLKB && (clocked_a | CLKA) && (clocked_b | CLKB))
            $fatal(1, "DP16KD: this model has one clock for both ports");
        if ((CLKA && CEA && cs_a != 0) || (CLKB && CEB && cs_b != 0))
            $fatal(1, "DP16KD: chip selects must be 0 for this model");
        if ((CLKA && RSTA && (write_a || REGMODE_A == "OUTREG"))
                || (CLKB && RSTB && (write_b || REGMODE_B == "OUTREG")))
            $fatal(1, "DP16KD: this model has no reset with a write or with OUTREG");
        if (write_b && DATA_WIDTH_A == 36)
            $fatal(1, "DP16KD: port B must not write beside a port A of 36 bits");
        if (DATA_WIDTH_B == 36 && REGMODE_B == "OUTREG" && OCEA != OCEB)
            $fatal(1, "DP16KD: OCEA and OCEB must be the same for words of 36 bits");
    end

    wire [35:0] do_a = REGMODE_A == "OUTREG" ? output_a : word_a;
    wire [35:0] do_b = REGMODE_B == "OUTREG" ? output_b : word_b;
    assign {
        DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6,
        DOA5, DOA4, DOA3, DOA2, DOA1, DOA0
    } = DATA_WIDTH_B == 36 ? do_b[17:0] : do_a[17:0];
    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6,
        DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
    } = DATA_WIDTH_B == 36 ? do_b[35:18] : do_b[17:0];

    // INITVAL_i holds 16 words of 18 bits, one each 20 bits.
    task fill;
        input [5:0] index;
        input [319:0] value;
        integer line;
        for (line = 0; line < 8; line = line + 1)
            lines[{index, line[2:0]}] = {value[40 * line + 20 +: 18], value[40 * line +: 18]};
    endtask

    // What the model does not cover, known before the simulation.
    function supported;
        input integer width;
        supported = width == 1 || width == 2 || width == 4 || width == 9 || width == 18;
    endfunction

    generate
        if (!(supported(DATA_WIDTH_A) || DATA_WIDTH_A == 36)
                || !(supported(DATA_WIDTH_B) || DATA_WIDTH_B == 36 && DATA_WIDTH_A == 36))
            $fatal(1, "DP16KD: no widths of %0d and %0d bits", DATA_WIDTH_A, DATA_WIDTH_B);
        if ((REGMODE_A != "NOREG" && REGMODE_A != "OUTREG")
                || (REGMODE_B != "NOREG" && REGMODE_B != "OUTREG")
                || (DATA_WIDTH_B == 36 && REGMODE_A != REGMODE_B))
            $fatal(1, "DP16KD: no REGMODE of %s and %s in this model", REGMODE_A, REGMODE_B);
        if ((WRITEMODE_A != "NORMAL" && WRITEMODE_A != "WRITETHROUGH"
                && WRITEMODE_A != "READBEFOREWRITE")
                || (WRITEMODE_B != "NORMAL" && WRITEMODE_B != "WRITETHROUGH"
                && WRITEMODE_B != "READBEFOREWRITE"))
            $fatal(1, "DP16KD: no WRITEMODE of %s and %s", WRITEMODE_A, WRITEMODE_B);
        if (RESETMODE != "SYNC")
            $fatal(1, "DP16KD: RESETMODE must be SYNC for this model, not %s", RESETMODE);
        if (CSDECODE_A != "0b000" || CSDECODE_B != "0b000")
            $fatal(1, "DP16KD: CSDECODE must be 0b000 for this model");
        if (CLKAMUX != "CLKA" || CLKBMUX != "CLKB")
            $fatal(1, "DP16KD: this model has no inverted clocks");
    endgenerate

    initial begin
        fill(6'h00, INITVAL_00);
        fill(6'h01, INITVAL_01);
        fill(6'h02, INITVAL_02);
        fill(6'h03, INITVAL_03);
        fill(6'h04, INITVAL_04);
        fill(6'h05, INITVAL_05);
        fill(6'h06, INITVAL_06);
        fill(6'h07, INITVAL_07);
        fill(6'h08, INITVAL_08);
        fill(6'h09, INITVAL_09);
        fill(6'h0A, INITVAL_0A);
        fill(6'h0B, INITVAL_0B);
        fill(6'h0C, INITVAL_0C);
        fill(6'h0D, INITVAL_0D);
        fill(6'h0E, INITVAL_0E);
        fill(6'h0F, INITVAL_0F);
        fill(6'h10, INITVAL_10);
        fill(6'h11, INITVAL_11);
        fill(6'h12, INITVAL_12);
        fill(6'h13, INITVAL_13);
        fill(6'h14, INITVAL_14);
        fill(6'h15, INITVAL_15);
        fill(6'h16, INITVAL_16);
        fill(6'h17, INITVAL_17);
        fill(6'h18, INITVAL_18);
        fill(6'h19, INITVAL_19);
        fill(6'h1A, INITVAL_1A);
        fill(6'h1B, INITVAL_1B);
        fill(6'h1C, INITVAL_1C);
        fill(6'h1D, INITVAL_1D);
        fill(6'h1E, INITVAL_1E);
        fill(6'h1F, INITVAL_1F);
        fill(6'h20, INITVAL_20);
        fill(6'h21, INITVAL_21);
        fill(6'h22, INITVAL_22);
        fill(6'h23, INITVAL_23);
        fill(6'h24, INITVAL_24);
        fill(6'h25, INITVAL_25);
        fill(6'h26, INITVAL_26);
        fill(6'h27, INITVAL_27);
        fill(6'h28, INITVAL_28);
        fill(6'h29, INITVAL_29);
        fill(6'h2A, INITVAL_2A);
        fill(6'h2B, INITVAL_2B);
        fill(6'h2C, INITVAL_2C);
        fill(6'h2D, INITVAL_2D);
        fill(6'h2E, INITVAL_2E);
        fill(6'h2F, INITVAL_2F);
        fill(6'h30, INITVAL_30);
        fill(6'h31, INITVAL_31);
        fill(6'h32, INITVAL_32);
        fill(6'h33, INITVAL_33);
        fill(6'h34, INITVAL_34);
        fill(6'h35, INITVAL_35);
        fill(6'h36, INITVAL_36);
        fill(6'h37, INITVAL_37);
        fill(6'h38, INITVAL_38);
        fill(6'h39, INITVAL_39);
        fill(6'h3A, INITVAL_3A);
        fill(6'h3B, INITVAL_3B);
        fill(6'h3C, INITVAL_3C);
        fill(6'h3D, INITVAL_3D);
        fill(6'h3E, INITVAL_3E);
        fill(6'h3F, INITVAL_3F);
    end
endmodule
